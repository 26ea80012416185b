"""
What a call at the root says of its whole trace: tags, session, user.

OpenTelemetry closes a span's attributes as it ends (from its SDK 1.43 on), and MLflow, where it
exports to OTLP alone, writes the trace's tags into them after that: a trace with tags loses its
root. There the tags are written before, under the names that MLflow's server reads them by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.tracing.constant import SpanAttributeKey, TraceMetadataKey
from mlflow.tracing.provider import get_current_otel_span

from mlflow_litellm._experiment import exports_to_otlp_only

if TYPE_CHECKING:
    from mlflow_litellm.payloads import Request

TAG_ATTRIBUTE = getattr(SpanAttributeKey, "TRACE_TAG_PREFIX", "mlflow.traceTag.")


def tell(span: Any, request: Request) -> None:
    """
    Set what a request says of its trace, if `span` is the root of one, and the current span.

    The session and the user are span attributes as well, by the names that OpenTelemetry has for
    them: https://opentelemetry.io/docs/specs/semconv/registry/attributes/session/
    """
    known = {"session.id": request.session, "user.id": request.user}
    span.set_attributes({key: value for key, value in known.items() if value})
    if span.parent_id is not None:
        return
    metadata = {
        TraceMetadataKey.TRACE_SESSION: request.session,
        TraceMetadataKey.TRACE_USER: request.user,
    }
    told = {key: value for key, value in metadata.items() if value}
    if exports_to_otlp_only():
        _write_tags(request)
        mlflow.update_current_trace(metadata=told)
    else:
        mlflow.update_current_trace(tags=dict(request.tags), metadata=told)


def _write_tags(request: Request) -> None:
    # Not span.set_attribute(), which would have the server read '"value"', quotes and all.
    span: Any = get_current_otel_span()
    for key, value in request.tags.items():
        span.set_attribute(f"{TAG_ATTRIBUTE}{key}", value)
