"""Replaces large data that means nothing to a reader: base64 and vectors."""

from __future__ import annotations

import re
from typing import Any

from mlflow_litellm._payloads.secrets import strip_credentials

_BASE64 = re.compile(r"(data:[^,\s]{0,100},)?[\w+/=\r\n-]{1000,}", re.ASCII)
_MOST_NUMBERS = 32
_HEAD = 5


def bounded(value: Any) -> Any:
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
