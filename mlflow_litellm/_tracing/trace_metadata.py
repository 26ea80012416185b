"""
What a call at the root says of its whole trace: tags, session, user.

OpenTelemetry closes a span's attributes as it ends (from its SDK 1.43 on), and MLflow, where it
exports to OTLP alone, writes the trace's tags into them after that: a trace with tags loses its
root. There the tags are written before, under the names that MLflow's server reads them by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow

from mlflow_litellm._tracing import attributes, mlflow_compat

if TYPE_CHECKING:
    from mlflow_litellm._payloads.base import Request

# https://opentelemetry.io/docs/specs/semconv/registry/attributes/session/
_SEMANTIC_NAMES = {
    attributes.TRACE_SESSION: "session.id",
    attributes.TRACE_USER: "user.id",
}


def tell(span: Any, request: Request) -> None:
    """
    Set what a request says of its trace, if `span` is the root of one, and the current span.

    What the program has told MLflow itself, through ``mlflow.tracing.context()``, stays.
    """
    # Not on a child either: MLflow's store takes the session of any span for the trace's.
    if span.parent_id is not None:
        return
    metadata = _metadata(request)
    span.set_attributes({_SEMANTIC_NAMES[key]: value for key, value in metadata.items()})
    tags = {**request.trace_metadata, **request.tags}
    if mlflow_compat.exports_to_otlp_only():
        _write_tags(tags)
        mlflow.update_current_trace(metadata=metadata)
    else:
        tags.update(mlflow_compat.configured_tags())
        mlflow.update_current_trace(tags=tags, metadata=metadata)


def _metadata(request: Request) -> dict[str, str]:
    asked = {
        attributes.TRACE_SESSION: request.session,
        attributes.TRACE_USER: request.user,
    }
    known = {**asked, **mlflow_compat.configured_metadata()}
    return {key: value for key in asked if (value := known[key])}


def _write_tags(tags: dict[str, str]) -> None:
    # Not span.set_attribute(), which would have the server read '"value"', quotes and all.
    span = mlflow_compat.current_otel_span()
    for key, value in tags.items() if span is not None else ():
        span.set_attribute(f"{attributes.TRACE_TAG_PREFIX}{key}", value)
