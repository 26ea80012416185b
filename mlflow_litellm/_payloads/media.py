"""
Finds the pictures, audio and files among messages, which are stored apart from the span.

MLflow takes whole data URIs, and a few providers' shapes, for attachments. The rest is made data
URIs here: a file that is base64 alone, a video, a document.
https://mlflow.org/docs/latest/genai/tracing/attachments/
"""

from __future__ import annotations

import base64
import mimetypes
import re
from typing import Any

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._payloads.redaction import without_parameters

_TEXT_PARTS = frozenset({
    "input_text", "output_text", "redacted_thinking", "refusal", "text", "thinking", "tool_use",
})  # fmt: skip
_MARK = ";base64,"
# Where base64 stands by itself; anything else of that look may be a name or a signature.
_BYTES = frozenset({"b64_json", "bytes", "data", "file_data"})
_TYPES = ("media_type", "mime_type", "mimeType", "format", "filename")
_UNKNOWN = "application/octet-stream"
_FIELDS = ("audio", "images")
# What is shorter does not burden a span.
_LONG = 1000
# The media type has no further "data:", or each of many would be read on from to the end.
_URI = re.compile(r"data:((?:(?!data:)[^,\s])*);base64,[\w+/=-]{1000,}")


def has_media(messages: Any) -> bool:
    """Tell whether messages, or lists of them, as plain data, hold anything but text."""
    if isinstance(messages, list) and messages and isinstance(messages[0], list):
        return any(map(has_media, messages))
    for message in dicts(messages):
        if message.get("images") or message.get("audio") or _is_media(message.get("content")):
            return True
    return False


def redact_media(messages: list[Any]) -> list[Any]:
    """
    Return messages with media as MLflow takes them, and without the signatures of their URLs.

    What looks like media and cannot be decoded is described: it may be megabytes.
    """
    return [
        _redact_message(item)
        if isinstance(item, dict)
        else redact_media(item)
        if isinstance(item, list)
        else item
        for item in messages
    ]


def redact_data(value: Any) -> Any:
    """Return any plain data with its media as `cleaned_media` has them."""
    return _redact(value, ())


def dicts(items: Any) -> list[dict[str, Any]]:
    """Return the dicts of a list; none of what is no list."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _is_media(content: Any) -> bool:
    if isinstance(content, str):
        return content.startswith("data:") or _MARK in content
    # Not any(): each message of each call passes here, and a generator takes its time.
    for part in dicts(content):
        if part.get("type") not in _TEXT_PARTS:
            return True
        text = part.get("text")
        if isinstance(text, str) and _MARK in text:
            return True
    return False


def _redact_message(message: dict[str, Any]) -> dict[str, Any]:
    fields = {key: _redact(message[key], ()) for key in _FIELDS if message.get(key)}
    content = message.get("content")
    if isinstance(content, str):
        fields["content"] = redact_media_in_text(content)
    elif isinstance(content, list):
        fields["content"] = [_redact_part(part) for part in content]
    return {**message, **fields}


def _redact_part(part: Any) -> Any:
    if not isinstance(part, dict) or part.get("type") not in _TEXT_PARTS:
        return _redact(part, ())
    text = part.get("text")
    return {**part, "text": redact_media_in_text(text)} if isinstance(text, str) else part


def redact_media_in_text(text: str) -> str:
    """Return a text with the pictures in it described; one that is a picture stays it."""
    if _MARK not in text or _URI.fullmatch(text):
        return text
    return _URI.sub(lambda found: _described(found[1], found[0]), text)


def _redact(value: Any, around: tuple[dict[str, Any], ...], key: str = "") -> Any:
    if isinstance(value, dict):
        holders = (value, *around)
        return {name: _redact(item, holders, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_redact(item, around, key) for item in value]
    if not isinstance(value, str):
        return value
    # A picture in a data URI is megabytes, and no place for a signature.
    if value.startswith(("http://", "https://", "gs://", "s3://")):
        return without_parameters(value)
    return _attachable(value, around, key) if len(value) >= _LONG else value


def _attachable(value: str, around: tuple[dict[str, Any], ...], key: str) -> str:
    if not value.startswith("data:"):
        is_prose = key not in _BYTES or " " in value[:_LONG]
        return redact_media_in_text(value) if is_prose else data_uri(_media_type(around), value)
    head, mark, data = value.partition(_MARK)
    kind = head.removeprefix("data:")
    return data_uri(kind or _media_type(around), data) if mark else _described(kind[:40], value)


def data_uri(kind: str, data: str) -> str:
    """Return base64 of a media type as a data URI that MLflow decodes; else a description."""
    if not _is_base64(data):
        data = _mended(data)
        if not _is_base64(data):
            return _described(kind, data)
    return f"data:{kind}{_MARK}{data}"


def _mended(data: str) -> str:
    # MIME breaks the lines, URLs have an alphabet of their own, some leave out the padding.
    text = "".join(data.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return text + "=" * (-len(text) % 4)


def _is_base64(text: str) -> bool:
    with errors_ignored(ValueError):
        return bool(base64.b64decode(text, validate=True))
    return False


def _media_type(around: tuple[dict[str, Any], ...]) -> str:
    values = (holder.get(name) for holder in around for name in _TYPES)
    fields = (text for text in values if isinstance(text, str) and len(text) < _LONG)
    guesses = (text if "/" in text else _guessed(text) for text in fields)
    return next((guess for guess in guesses if guess), _UNKNOWN)


def _guessed(text: str) -> str:
    """Return the media type of a file's name, or of a format such as ``"mp3"``."""
    guess, _ = mimetypes.guess_type(text if "." in text else f"_.{text}")
    return (guess or "").replace("/x-", "/")


def _described(kind: str, data: str) -> str:
    return f"<{kind or _UNKNOWN}: {len(data)} characters>"
