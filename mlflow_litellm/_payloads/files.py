"""Describes the files in a request or a response, without reading from them."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._payloads.media import data_uri, redact_data
from mlflow_litellm._payloads.serialize import to_jsonable

# The first bytes of image files. Use them only for images: a RIFF file may be audio.
_IMAGES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)
_UNKNOWN = "application/octet-stream"


def described(file: object) -> Any:
    """
    Return the name, the media type and the size in bytes of a file, if they are values.

    Args:
        file: A file as OpenAI's client takes it: bytes, a path, an object with ``read()``, or a
            tuple of a name, one of these, and optionally a media type. OpenAI's client takes no
            text for a file; for some providers, text is a URL or base64.
    """
    if isinstance(file, (str, Mapping)):
        return redact_data(to_jsonable(file))
    name, content, kind = _parts(file)
    values = {"filename": name or _name(content), "content_type": kind, "size": _size(content)}
    fields = {key: to_jsonable(value) for key, value in values.items() if value is not None}
    return fields or to_jsonable(file)


def picture(file: object) -> Any:
    """Return the description of a picture or of a list of them, with the content of ``bytes``."""
    if isinstance(file, list):
        return [picture(item) for item in file]
    fields = described(file)
    _, content, kind = _parts(file)
    if isinstance(content, bytes) and content:
        fields["content"] = bytes_uri(kind or _image_type(content), content)
    return fields


def picture_uri(text: str) -> str:
    """Return a picture, which is base64 or a data URI, as a data URI that MLflow decodes."""
    if text.startswith("data:"):
        return str(redact_data(text))
    head = b""
    with errors_ignored(ValueError):
        head = base64.b64decode(text[:24])
    return data_uri(_image_type(head), text)


def bytes_uri(kind: str, content: bytes) -> str:
    """Return bytes of a media type as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _parts(file: object) -> tuple[Any, Any, Any]:
    if not isinstance(file, tuple):
        return None, file, None
    name, content, kind, *_ = (*file, None, None, None)
    return name, content, kind


def _name(content: object) -> str | None:
    # The name of a file without a path is a number.
    name = content if isinstance(content, os.PathLike) else getattr(content, "name", None)
    return PurePath(name).name if isinstance(name, (str, os.PathLike)) else None


def _size(content: object) -> int | None:
    if isinstance(content, (bytes, bytearray)):
        return len(content)
    # The size of another file would have to be read from the disk.
    if isinstance(content, io.BytesIO) and not content.closed:
        return content.getbuffer().nbytes
    return None


def _image_type(head: bytes) -> str:
    return next((kind for start, kind in _IMAGES if head.startswith(start)), _UNKNOWN)
