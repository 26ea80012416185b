"""Keeps what is a burden to a span, and says nothing to its reader, out of plain data."""

from __future__ import annotations

import re
from typing import Any

from mlflow_litellm._payloads.secrets import strip_credentials

_BASE64 = re.compile(r"(data:[^,\s]{0,100},)?[\w+/=\r\n-]{1000,}", re.ASCII)
_MOST_NUMBERS = 32
_HEAD = 5


def bounded(value: Any) -> Any:
    """Return plain data with base64 and vectors described, and URLs without their signatures."""
    if isinstance(value, dict):
        return {key: bounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return _vector(value) or [bounded(item) for item in value]
    if not isinstance(value, str):
        return value
    if found := _BASE64.fullmatch(value):
        return f"<{(found[1] or 'base64,')[:-1]}: {len(value)} characters>"
    return strip_credentials(value) if "://" in value else value


def _vector(value: list[Any]) -> dict[str, Any] | None:
    """Describe a vector, as the payload of embeddings does; None of what is none."""
    if len(value) <= _MOST_NUMBERS or not isinstance(value[0], float):
        return None
    return {"dimension": len(value), "head": value[:_HEAD]}
