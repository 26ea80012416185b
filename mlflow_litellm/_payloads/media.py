"""
Finds pictures, audio and files in messages. MLflow stores them as attachments, outside the span.

MLflow stores whole data URIs and a few providers' shapes as attachments. This module turns other
media into data URIs: a file that is base64 alone, a video, a document.
https://mlflow.org/docs/latest/genai/tracing/attachments/
"""

from __future__ import annotations

import base64
import mimetypes
import re
from typing import Any

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.secrets import strip_credentials, without_parameters

_TEXT_PARTS = frozenset({
    "input_text", "output_text", "redacted_thinking", "refusal", "text", "thinking", "tool_use",
})  # fmt: skip
_MARK = ";base64,"
# The keys of base64 without a data URI. Under other keys, such a text may be a name or a signature.
_BYTES = frozenset({"b64_json", "bytes", "data", "file_data"})
_TYPES = ("media_type", "mime_type", "mimeType", "format", "filename")
_UNKNOWN = "application/octet-stream"
_FIELDS = ("audio", "images")
# In characters. Shorter texts are small enough for a span.
_LONG = 1000
# The media type excludes "data:". Otherwise, a text with many of them takes quadratic time.
_URI = re.compile(r"data:((?:(?!data:)[^,\s])*);base64,[\w+/=-]{1000,}")
_BASE64 = re.compile(r"(data:[^,\s]{0,100},)?[\w+/=\r\n-]{1000,}", re.ASCII)
# A longer list of numbers is a vector, which means nothing to a reader.
_MOST_NUMBERS = 32
_HEAD = 5


def has_media(messages: object) -> bool:
    """Return whether messages, or lists of them, hold anything other than text."""
    if isinstance(messages, list) and messages and isinstance(messages[0], list):
        return any(map(has_media, messages))
    for message in dicts(messages):
        if message.get("images") or message.get("audio") or _is_media(message.get("content")):
            return True
    return False


def redact_media(messages: list[Any]) -> list[Any]:
    """
    Return messages with their media as data URIs, and without the signatures in URLs.

    A text that looks like media but cannot be decoded is replaced by a description: it may be
    megabytes.
    """
    return [
        _redact_message(item)
        if isinstance(item, dict)
        else redact_media(item)
        if isinstance(item, list)
        else item
        for item in messages
    ]


def redact_data(value: object) -> Any:
    """Return any JSON types with their media as in `redact_media`."""
    return _redact(value, ())


def _is_media(content: object) -> bool:
    if isinstance(content, str):
        return content.startswith("data:") or _MARK in content
    # Not any(): this runs for each message of each call, and a generator is slower.
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


def _redact_part(part: object) -> Any:
    if not isinstance(part, dict) or part.get("type") not in _TEXT_PARTS:
        return _redact(part, ())
    text = part.get("text")
    return {**part, "text": redact_media_in_text(text)} if isinstance(text, str) else part


def redact_media_in_text(text: str) -> str:
    """Return a text with descriptions of its pictures; a text that is one picture is kept."""
    if _MARK not in text or _URI.fullmatch(text):
        return text
    return _URI.sub(lambda match: _described(match[1], match[0]), text)


def _redact(value: object, around: tuple[dict[str, Any], ...], key: str = "") -> Any:
    if isinstance(value, dict):
        holders = (value, *around)
        return {name: _redact(item, holders, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_redact(item, around, key) for item in value]
    if not isinstance(value, str):
        return value
    # Not for a data URI: it can be megabytes, and holds no signature.
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
    """Return base64 as a data URI that MLflow decodes; a description if it cannot be decoded."""
    if not _is_base64(data):
        data = _mended(data)
        if not _is_base64(data):
            return _described(kind, data)
    return f"data:{kind}{_MARK}{data}"


def _mended(data: str) -> str:
    # MIME adds line breaks, base64 in URLs uses other characters, and the padding may be missing.
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
    """Return the media type for a file name, or for a format such as ``"mp3"``."""
    guess, _ = mimetypes.guess_type(text if "." in text else f"_.{text}")
    return (guess or "").replace("/x-", "/")


def _described(kind: str, data: str) -> str:
    return f"<{kind or _UNKNOWN}: {len(data)} characters>"


def bounded(value: object) -> Any:
    """Return JSON types with descriptions of base64 and vectors, and URLs without signatures."""
    if isinstance(value, dict):
        return {key: bounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return _vector(value) or [bounded(item) for item in value]
    if not isinstance(value, str):
        return value
    if match := _BASE64.fullmatch(value):
        return f"<{(match[1] or 'base64,')[:-1]}: {len(value)} characters>"
    return strip_credentials(value) if "://" in value else value


def _vector(value: list[Any]) -> dict[str, Any] | None:
    """Return a vector's description, as for embeddings; None if the list is no vector."""
    if len(value) <= _MOST_NUMBERS or not isinstance(value[0], float):
        return None
    return {"dimension": len(value), "head": value[:_HEAD]}
