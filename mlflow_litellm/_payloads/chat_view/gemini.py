"""
Gemini's contents. Google spells their keys in two ways, and the UI reads only one.

https://ai.google.dev/api/caching#Content
"""

from __future__ import annotations

from typing import Any

from mlflow_litellm._payloads.chat_view.changes import as_text, each, replaced, within

_PART_KEYS = {
    "fileData": "file_data",
    "functionCall": "function_call",
    "functionResponse": "function_response",
    "inlineData": "inline_data",
}
_FILE_KEYS = {"displayName": "display_name", "fileUri": "file_uri", "mimeType": "mime_type"}
_READ = frozenset({*_PART_KEYS.values(), "text"})
_ROLES = frozenset({"model", "user"})


def _contents(contents: list[Any]) -> list[Any]:
    return each(contents, _content)


def _content(content: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(content.get("parts"), list):
        return _part(content) if "role" not in content else content
    if content.get("role", "user") not in _ROLES:
        content = replaced(content, role="user")
    return within(content, "parts", _parts)


def _parts(parts: list[Any]) -> list[Any]:
    return each(parts, _part)


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if _PART_KEYS.keys() & part.keys():
        return {_PART_KEYS.get(key, key): _renamed(value) for key, value in part.items()}
    if _READ & part.keys():
        return part
    held = next((value for value in part.values() if isinstance(value, dict)), {})
    return {**part, "text": as_text({"type": next(iter(part), ""), **held})["text"]}


def _renamed(value: object) -> Any:
    if not isinstance(value, dict) or not _FILE_KEYS.keys() & value.keys():
        return value
    return {_FILE_KEYS.get(key, key): item for key, item in value.items()}


def _candidates(candidates: list[Any]) -> list[Any]:
    return each(candidates, _candidate)


def _candidate(candidate: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(candidate.get("content"), dict):
        return candidate
    return within(candidate, "content", _content)


REQUEST = {"contents": _contents}
RESPONSE = {"candidates": _candidates}
