"""
Switches a tracer on and off, and reads its records in one shape.

A span is a dict of ``name``, ``id``, ``parent``, ``status`` (OK, ERROR or UNSET), ``attributes``
and ``events``; only ended spans are included. Each adapter imports only its own tracer.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import litellm

from .values import CALLER


class Tracing:
    """The interface of every adapter."""

    def on(self) -> None:
        """Switch the tracer on, as its documentation says."""
        raise NotImplementedError

    def off(self) -> bool:
        """Switch it off; return whether that is possible."""
        return False

    def caller(self) -> Any:
        """Return a context with a span of the caller."""
        raise NotImplementedError

    def spans(self) -> list[dict[str, Any]]:
        """Return the recorded spans, after a flush."""
        raise NotImplementedError


class Mlflow(Tracing):
    """MLflow's traces, read back from a local store: this package's, and the built-in flavor's."""

    def __init__(self) -> None:
        # MLflow reads it on import.
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        folder = tempfile.mkdtemp(prefix="comparison-")
        import mlflow

        self._mlflow = mlflow
        self._uri = f"sqlite:///{folder}/mlflow.db"

    def on(self) -> None:
        self._mlflow.set_tracking_uri(self._uri)
        self._experiment = self._mlflow.set_experiment(f"process {os.getpid()}").experiment_id
        self._mlflow.litellm.autolog()

    def off(self) -> bool:
        self._mlflow.litellm.autolog(disable=True)
        return True

    def caller(self) -> Any:
        return self._mlflow.start_span(CALLER)

    def spans(self) -> list[dict[str, Any]]:
        self._mlflow.flush_trace_async_logging()
        traces = self._mlflow.search_traces(locations=[self._experiment], return_type="list")
        return [self._told(span, trace) for trace in traces for span in trace.data.spans]

    @staticmethod
    def _told(span: Any, trace: Any) -> dict[str, Any]:
        data = span.to_dict()
        of_trace = {**trace.info.tags, **trace.info.trace_metadata} if not span.parent_id else {}
        names = ("mlflow.traceInputs", "mlflow.traceOutputs")
        of_trace = {k: v for k, v in of_trace.items() if k not in names}
        return {
            "name": span.name,
            "id": span.span_id,
            "parent": span.parent_id,
            "status": span.status.status_code.value,
            "attributes": {**of_trace, **span.attributes},
            "events": data["events"],
        }


class OpenTelemetry(Tracing):
    """Spans as OpenTelemetry's SDK exports them, kept in memory when they end."""

    def on(self) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        self.exporter = _exporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        trace.set_tracer_provider(self.provider)
        self.switch_on()

    def switch_on(self) -> None:
        """Switch the tracer on, with OpenTelemetry set up."""
        raise NotImplementedError

    def caller(self) -> Any:
        from opentelemetry import trace

        return trace.get_tracer("comparison").start_as_current_span(CALLER)

    def spans(self) -> list[dict[str, Any]]:
        ended = self.exporter.get_finished_spans()
        # Some tracers also trace HTTP clients, by instrumentation that does not belong to LiteLLM.
        return [_of_opentelemetry(span) for span in ended if not _is_http(span)]


def _exporter() -> Any:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    return InMemorySpanExporter()


def _is_http(span: Any) -> bool:
    return any(name in (span.attributes or {}) for name in ("http.method", "http.request.method"))


def _of_opentelemetry(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "id": f"{span.context.span_id:x}",
        "parent": f"{span.parent.span_id:x}" if span.parent else None,
        "status": span.status.status_code.name,
        "attributes": dict(span.attributes or {}),
        "events": [{"name": e.name, "attributes": dict(e.attributes or {})} for e in span.events],
    }


class LiteLLMsOwn(OpenTelemetry):
    """LiteLLM's OpenTelemetry callback, on the global provider."""

    def switch_on(self) -> None:
        litellm.callbacks = [*litellm.callbacks, "otel"]

    def off(self) -> bool:
        # LiteLLM has replaced the name with an object.
        litellm.callbacks = []
        return True


class OpenInference(OpenTelemetry):
    """OpenInference's instrumentor."""

    def switch_on(self) -> None:
        from openinference.instrumentation.litellm import LiteLLMInstrumentor

        self._instrumentor = LiteLLMInstrumentor()
        self._instrumentor.instrument(tracer_provider=self.provider)

    def off(self) -> bool:
        self._instrumentor.uninstrument()
        return True


class OpenLLMetry(OpenInference):
    """OpenLLMetry's instrumentor."""

    def switch_on(self) -> None:
        from opentelemetry.instrumentation.litellm import LiteLLMInstrumentor

        self._instrumentor = LiteLLMInstrumentor()
        self._instrumentor.instrument(tracer_provider=self.provider)


class OpenLit(OpenTelemetry):
    """OpenLIT, on the global provider."""

    def switch_on(self) -> None:
        import openlit

        openlit.init(disable_metrics=True)


class Logfire(OpenTelemetry):
    """Logfire, with a processor beside its own, and nothing sent."""

    def on(self) -> None:
        import logfire
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        self.exporter = _exporter()
        logfire.configure(
            send_to_logfire=False,
            console=False,
            additional_span_processors=[SimpleSpanProcessor(self.exporter)],
        )
        logfire.instrument_litellm()


ADAPTERS: dict[str, type[Tracing]] = {
    "ours": Mlflow,
    "builtin": Mlflow,
    "otel": LiteLLMsOwn,
    "openinference": OpenInference,
    "openllmetry": OpenLLMetry,
    "openlit": OpenLit,
    "logfire": Logfire,
}
