"""
Complete MLflow's export by OpenTelemetry's GenAI conventions.

If ``MLFLOW_ENABLE_OTEL_GENAI_SEMCONV`` is on, MLflow converts each span at its end. It exports the
model of the response as the requested model, converts few parameters, and reads few of the shapes
that this package records. So MLflow gets a translated copy of the span. The span itself, and the
trace that MLflow stores, stay unchanged.
"""

from __future__ import annotations

import json
from typing import Any

from mlflow.entities import SpanType
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from mlflow_litellm._common import attributes as names
from mlflow_litellm._common.patching import Patch
from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.semconv import attributes as attributes_module

PREFIX = "litellm-"


def semconv_patches() -> list[Patch]:
    """Return the patch of MLflow's conversion; none if MLflow has no such function."""
    # No public hook can change the name, kind and attributes of an exported span.
    name = mlflow_compat.TRANSLATE
    module = name.holder()
    return [Patch(module, name.attribute, _translate, lambda: True)] if module else []


def _translate(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    if args and _is_call(args[0]):
        with guard("translating a span for the GenAI conventions"):
            args = (_translated(args[0]), *args[1:])
    return wrapped(*args, **kwargs)


def _is_call(span: ReadableSpan) -> bool:
    """Return whether a span is a call of LiteLLM, or a request that the proxy passes through."""
    if span.name.startswith(PREFIX):
        return True
    attributes = span.attributes or {}
    span_type = _decoded(attributes.get(names.SPAN_TYPE))
    return names.HTTP_ROUTE in attributes and span_type == SpanType.LLM


def _translated(span: ReadableSpan) -> ReadableSpan:
    attributes = dict(span.attributes or {})
    fields = {key: _decoded(value) for key, value in attributes.items()}
    name = span.name.removeprefix(PREFIX)
    translated = attributes_module.to_mlflow_attributes(name, fields)
    attributes.update((key, json.dumps(value)) for key, value in translated.items())
    attributes.update(attributes_module.attributes(name, fields))
    attributes.update(_error(span))
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=span.events,
        links=span.links,
        # MLflow keeps the kind of a span whose operation it does not know.
        kind=span.kind if attributes_module.is_composite(fields) else SpanKind.CLIENT,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _decoded(value: Any) -> Any:
    # MLflow writes its attributes as JSON; tags of a trace are plain texts.
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _error(span: ReadableSpan) -> dict[str, Any]:
    kinds = [(event.attributes or {}).get("exception.type") for event in span.events]
    return {"error.type": kinds[-1]} if kinds and kinds[-1] else {}
