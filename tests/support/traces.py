"""Reads traces back through MLflow's public API."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import mlflow

if TYPE_CHECKING:
    from mlflow.entities import Span, SpanStatusCode, Trace


class Traces:
    """The traces of one experiment."""

    def __init__(self, experiment_id: str) -> None:
        self.experiment_id = experiment_id

    def all(self) -> list[Trace]:
        """Return every trace, oldest first."""
        mlflow.flush_trace_async_logging()
        return mlflow.search_traces(
            locations=[self.experiment_id], order_by=["timestamp ASC"], return_type="list"
        )

    def one(self) -> Trace:
        """Return the only trace."""
        [trace] = self.all() or self.after_collection()
        return trace

    def after_collection(self) -> list[Trace]:
        """
        Collect garbage, and return every trace as soon as there is one.

        LiteLLM and its HTTP clients may leave a dropped stream in a cycle of references. Its span
        ends when the cycle is collected, in another thread.
        """
        gc.collect()
        for _ in range(100):
            if traces := self.all():
                return traces
        return []

    def span(self) -> Span:
        """Return the only span of the only trace."""
        [span] = self.one().data.spans
        return span

    def calls(self) -> list[Span]:
        """Return every span of a LiteLLM call, by start time."""
        spans = [span for trace in self.all() for span in trace.data.spans]
        return sorted(
            (span for span in spans if span.name.startswith("litellm-")),
            key=lambda span: span.start_time_ns,
        )


def answer_text(span: Span, choice: int = 0) -> str | None:
    """Return the text of the response that a span records."""
    return span.outputs["choices"][choice]["message"]["content"]


def exception_event(span: Span) -> dict[str, Any]:
    """Return the attributes of a span's exception event."""
    [event] = [event for event in span.events if event.name == "exception"]
    return event.attributes


def ending(span: Span) -> tuple[str, SpanStatusCode]:
    """Return the end of a stream that a span records, and the span's status."""
    return span.attributes["stream_end"], span.status.status_code


def route_and_attempts(traces: Traces) -> tuple[Span, list[Span]]:
    """Return the composite call's span, the root of the only trace, and the spans below it."""
    route, *attempts = traces.calls()
    assert traces.one().data.spans[0].span_id == route.span_id
    assert {attempt.parent_id for attempt in attempts} == {route.span_id}
    return route, attempts
