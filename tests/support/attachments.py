"""Reads attachments of a span, which it holds as references, through MLflow's public API."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.tracing.attachments import Attachment

if TYPE_CHECKING:
    from mlflow.entities import Span

REFERENCE = re.compile(r"mlflow-attachment://[^\s\"]+")


def references(value: Any) -> list[str]:
    """Return the references to attachments in JSON data, each once, in their order."""
    return list(dict.fromkeys(REFERENCE.findall(json.dumps(value))))


def content(reference: str) -> tuple[str, bytes]:
    """Return the media type and the bytes of an attachment."""
    told = Attachment.parse_ref(reference)
    assert told is not None
    trace = mlflow.get_trace(told["trace_id"])
    where = trace.info.tags["mlflow.artifactLocation"]
    uri = f"{where}/attachments/{told['attachment_id']}"
    return told["content_type"], Path(mlflow.artifacts.download_artifacts(uri)).read_bytes()


def contents(value: Any) -> list[tuple[str, bytes]]:
    """Return the media types and the bytes of all attachments in JSON data."""
    return [content(reference) for reference in references(value)]


def resolved(value: Any) -> Any:
    """Return JSON data with each reference replaced by its attachment's bytes."""
    if isinstance(value, dict):
        return {key: resolved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item) for item in value]
    is_reference = isinstance(value, str) and REFERENCE.fullmatch(value)
    return content(value) if is_reference else value


def size(span: Span) -> int:
    """Return the size of a span in a store, in bytes."""
    return len(json.dumps(span.to_dict()).encode())
