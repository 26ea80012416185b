"""Finds the pictures, audio and files among messages, which are stored apart from the span."""

from __future__ import annotations

from typing import Any

from mlflow_litellm.payloads._secrets import cleaned_url

_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal", "thinking"})


def has_media(messages: Any) -> bool:
    """Tell whether messages, as plain data, hold anything but text."""
    return any(
        "images" in message or "audio" in message or _is_media(message.get("content"))
        for message in dicts(messages)
    )


def cleaned_media(messages: list[Any]) -> list[Any]:
    """Return messages with the signatures of the URLs of their media replaced."""
    return [
        {**message, "content": [_cleaned_part(part) for part in message["content"]]}
        if isinstance(message, dict) and isinstance(message.get("content"), list)
        else message
        for message in messages
    ]


def dicts(items: Any) -> list[dict[str, Any]]:
    """Return the dicts of a list; none of what is no list."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _is_media(content: Any) -> bool:
    if isinstance(content, str):
        return content.startswith("data:")
    return any(part.get("type") not in _TEXT_PARTS for part in dicts(content))


def _cleaned_part(part: Any) -> Any:
    is_text = isinstance(part, dict) and part.get("type") in _TEXT_PARTS
    return part if is_text else _cleaned(part)


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    # A picture in a data URI is megabytes, and no place for a signature.
    is_url = isinstance(value, str) and value.startswith(("http://", "https://", "gs://", "s3://"))
    return cleaned_url(value) if is_url else value
