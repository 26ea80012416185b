"""
Set the tags, session and user of a trace from the call at its root.

From its SDK 1.43 on, OpenTelemetry closes a span's attributes at the span's end. If MLflow exports
only to OTLP, it writes the trace's tags into the attributes after that, and a trace with tags loses
its root. So this module writes the tags earlier, under the names that MLflow's server reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow

from mlflow_litellm._common.attributes import SESSION_ID, USER_ID
from mlflow_litellm._tracing import mlflow_compat

if TYPE_CHECKING:
    from mlflow_litellm._payloads.base import Request

# MLflow's metadata of a trace. Each stored trace has it, but MLflow's constants are not public.
TRACE_SESSION = "mlflow.trace.session"
TRACE_USER = "mlflow.trace.user"
SOURCE_RUN = "mlflow.sourceRun"
# The prefix of a tag's name among the attributes of a span, if MLflow exports only to OTLP.
TRACE_TAG_PREFIX = "mlflow.traceTag."
# https://opentelemetry.io/docs/specs/semconv/registry/attributes/session/
_SEMANTIC_NAMES = {TRACE_SESSION: SESSION_ID, TRACE_USER: USER_ID}


def set_metadata(span: Any, request: Request) -> None:
    """
    Set the tags, session and user of a request on its trace, if `span` is the root.

    Values that the program has set by ``mlflow.tracing.context()`` stay. `span` must be the
    current span.
    """
    # A child gets no session either: MLflow's store uses the session of any span for the trace.
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
    requested = {TRACE_SESSION: request.session, TRACE_USER: request.user}
    metadata = {**requested, **mlflow_compat.configured_metadata()}
    return {key: value for key in requested if (value := metadata[key])}


def _write_tags(tags: dict[str, str]) -> None:
    # Not MLflow's set_attribute(): the server would read '"value"', with the quotes.
    span = mlflow_compat.current_otel_span()
    for key, value in tags.items() if span is not None else ():
        span.set_attribute(f"{TRACE_TAG_PREFIX}{key}", value)
