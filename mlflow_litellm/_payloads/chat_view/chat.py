"""
Chat completions.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
from typing import Any

from mlflow_litellm._payloads.chat_view.changes import as_text, attachment, each, replaced, within
from mlflow_litellm._payloads.containers import dicts

_ROLES = frozenset({"assistant", "system", "tool", "user"})
# The accepted role for each rejected role that means the same.
_SAME_ROLE = {"developer": "system", "function": "tool"}
_TEXTS = frozenset({"input_text", "output_text", "text"})
_DETAILS = frozenset({None, "auto", "high", "low"})
_SOUNDS = frozenset({None, "mp3", "wav"})


def _messages(messages: list[Any]) -> list[Any]:
    return each(messages, _message)


def _message(message: dict[str, Any]) -> dict[str, Any]:
    role = message.get("role")
    if role not in _ROLES and role in _SAME_ROLE:
        message = replaced(message, role=_SAME_ROLE[role])
    if isinstance(message.get("content"), list):
        message = within(message, "content", _parts)
    if isinstance(message.get("tool_calls"), list):
        message = within(message, "tool_calls", _calls)
    return message


def _parts(parts: list[Any]) -> list[Any]:
    return each(parts, _part)


def _part(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind in _TEXTS and isinstance(part.get("text"), str):
        return part
    if kind == "image_url":
        return _picture(part)
    if kind == "input_audio" and _is_sound(part.get("input_audio")):
        return part
    reference = attachment(part)
    if reference is None:
        return as_text(part)
    # The UI displays an attachment by its media type. The type of the part does not matter.
    return {**replaced(part, type="image_url"), "image_url": {"url": reference}}


def _picture(part: dict[str, Any]) -> dict[str, Any]:
    fields = part.get("image_url")
    if isinstance(fields, str):
        return {**part, "image_url": {"url": fields}}
    if not isinstance(fields, dict) or not isinstance(fields.get("url"), str):
        return as_text(part)
    if fields.get("detail") in _DETAILS:
        return part
    return {**part, "image_url": replaced(fields, detail=None)}


def _is_sound(fields: object) -> bool:
    return isinstance(fields, dict) and "data" in fields and fields.get("format") in _SOUNDS


def _calls(calls: list[Any]) -> list[Any]:
    return each(calls, _call)


def _call(call: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(call.get("id"), str):
        call = replaced(call, id="")
    function, custom = call.get("function"), call.get("custom")
    if isinstance(function, dict):
        return within(call, "function", _function)
    if isinstance(custom, dict):
        return {**call, "function": {"name": custom.get("name"), "arguments": custom.get("input")}}
    return call


def _function(function: dict[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return function
    return replaced(function, arguments=json.dumps(arguments, default=str))


def _choices(choices: list[Any]) -> list[Any]:
    return each(choices, _choice)


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(choice.get("message"), dict):
        return choice
    return within(choice, "message", _response_message)


def _response_message(message: dict[str, Any]) -> dict[str, Any]:
    message = _message(message)
    reasoning = message.get("reasoning_content")
    if reasoning and not message.get("reasoning"):
        message = {**message, "reasoning": reasoning}
    if not message.get("content") and (refusal := _refusal(message)):
        return replaced(message, content=refusal)
    return _pictured(message) if message.get("images") else message


def _refusal(message: dict[str, Any]) -> Any:
    # LiteLLM moves fields that its own classes lack to this one.
    beside = message.get("provider_specific_fields")
    return message.get("refusal") or (isinstance(beside, dict) and beside.get("refusal"))


def _pictured(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list):
        return message
    texts = [{"type": "text", "text": content}] if content else []
    return replaced(message, content=[*texts, *_parts(dicts(message["images"]))])


REQUEST = {"messages": _messages}
RESPONSE = {"choices": _choices}
