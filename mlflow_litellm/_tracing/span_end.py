"""The end of one span: its data is written at once, or after a verdict on its content."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from mlflow.entities import SpanStatus, SpanStatusCode

from mlflow_litellm._common import attributes as names
from mlflow_litellm._payloads import chat_view
from mlflow_litellm._tracing import privacy, trace_metadata
from mlflow_litellm._tracing.export_stats import stats
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.health import counts
from mlflow_litellm._tracing.privacy import Content

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from mlflow.entities import SpanEvent

    from mlflow_litellm._payloads.base import Request, Response

    Verdict = Callable[["SpanEnd"], None]


def has_ended(span: Any) -> bool:
    """Return whether a span of MLflow's has ended; False if unknown."""
    with guard("reading a span's end"):
        return span.end_time_ns is not None
    return False


@dataclass(slots=True)
class Failure:
    """
    An exception, in the form that a span records.

    Attributes:
        kind: The name of the exception's type.
        description: The text of the span's status.
        event: The exception event; None if it could not be made.
        cause: The cause outside the call; empty if there is none.
    """

    kind: str
    description: str
    event: SpanEvent | None
    cause: str = ""

    def without_text(self) -> Failure:
        """Return the failure with only the type of its exception."""
        event = self.event
        if event is not None:
            event = replace(
                event, attributes={"exception.type": event.attributes["exception.type"]}
            )
        description = f"{self.kind}: {self.cause}" if self.cause else self.kind
        return Failure(self.kind, description, event, self.cause)


@dataclass(slots=True)
class SpanEnd:
    """
    The data that is written at the end of a span.

    Attributes:
        span: MLflow's span.
        content: How much of the call may be recorded.
        request: The request, if any.
        response: The response, if any.
        failure: The exception, if any.
        tags_trace: Whether the trace is tagged at the span's end.
        active: Returns a context manager that makes the span the current one.
        ended_ns: When the span ended, by ``time.time_ns()``; None for now.
    """

    span: Any
    content: Content
    request: Request | None = None
    response: Response | None = None
    failure: Failure | None = None
    tags_trace: bool = False
    active: Callable[[], AbstractContextManager[None]] = nullcontext
    ended_ns: int | None = None

    def write(self) -> None:
        """Write the data that may be recorded, and end the span, if it has not ended."""
        if has_ended(self.span):
            return
        with guard("recording a request"):
            self._write_request()
        with guard("recording a response"):
            self._write_response()
        failure = self.failure
        if failure is not None and not privacy.shows_errors(self.content):
            failure = failure.without_text()
        if failure is not None and failure.event is not None:
            with guard("recording an exception"):
                self.span.add_event(failure.event)
        with guard("counting a span"):
            stats.track(self.span)
        with guard("ending a span"):
            self.span.end(status=_status(failure), end_time_ns=self.ended_ns)
        counts.add_call()

    def _write_request(self) -> None:
        if self.request is None:
            return
        request = privacy.request_of(self.request, self.content)
        if self.tags_trace:
            tag_trace(self.span, request, self.active)
        fields = {
            **request.attributes,
            names.MESSAGE_FORMAT: request.message_format,
            names.MODEL: request.model,
            names.LLM_MODEL: request.model,
            names.API_BASE: request.api_base,
            names.METADATA: request.metadata,
        }
        attributes = {key: value for key, value in fields.items() if value is not None}
        if request.tools:
            attributes[names.CHAT_TOOLS] = request.tools
        if not request.has_media:
            attributes[names.INPUTS] = self._view(chat_view.inputs, request.inputs)
        self.span.set_attributes(attributes)
        if request.has_media:
            self.span.set_inputs(request.inputs)
            self._renew_view(names.INPUTS, chat_view.inputs)

    def _write_response(self) -> None:
        if self.response is None:
            return
        response = privacy.response_of(self.response, self.content)
        attributes = _attributes_of(response)
        if not response.has_media and response.outputs is not None:
            attributes[names.OUTPUTS] = self._view(chat_view.outputs, response.outputs)
        self.span.set_attributes(attributes)
        if response.has_media:
            self.span.set_outputs(response.outputs)
            self._renew_view(names.OUTPUTS, chat_view.outputs)

    def _view(self, view: Callable[[str | None, Any], Any], content: object) -> Any:
        with guard("making the chat view"):
            return view(self.request.message_format if self.request else None, content)
        return content

    def _renew_view(self, key: str, view: Callable[[str | None, Any], Any]) -> None:
        # MLflow has replaced the pictures by references to attachments, which the UI shows.
        content = self.span.get_attribute(key)
        if (changed := self._view(view, content)) is not content:
            self.span.set_attribute(key, changed)


class Holder(Protocol):
    """An object that keeps the end of a span, and writes it later."""

    def hold(self, end: SpanEnd) -> None:
        """Keep an end."""


class Withheld:
    """
    The ends of spans that wait for a verdict on their content. Is thread-safe.

    MLflow sends a span at its end, so a span that waits has not ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[SpanEnd] = []
        self._is_released = False

    def hold(self, end: SpanEnd) -> None:
        """Keep an end until the verdict. After the verdict, write it without content."""
        with self._lock:
            if not self._is_released:
                self._ends.append(end)
                return
        end.content = min(end.content, Content.REDACTED)
        end.write()

    def waiting(self) -> list[SpanEnd]:
        """Return the ends that wait, in the order of their arrival."""
        with self._lock:
            return list(self._ends)

    def release(self, verdict: Verdict) -> None:
        """
        Write all ends that wait, in the order of their arrival.

        Args:
            verdict: Removes the data that may not be recorded from an end. If it raises, no content
                of the end is recorded.
        """
        with self._lock:
            ends, self._ends, self._is_released = self._ends, [], True
        for end in ends:
            allowed, end.content = end.content, min(end.content, Content.REDACTED)
            with guard("deciding which content may be recorded"):
                verdict(end)
                end.content = min(end.content, allowed)
            end.write()


def _attributes_of(response: Response) -> dict[str, Any]:
    """Return the span attributes of a response by name, without its outputs."""
    values = {
        names.CHAT_USAGE: response.usage,
        names.USAGE_IS_ESTIMATE: response.usage_is_estimate or None,
        names.LLM_COST: response.cost,
        names.RESPONSE_COST: response.cost and response.cost["total_cost"],
        names.LLM_MODEL: response.model or None,
        names.LLM_PROVIDER: response.provider,
        names.CUSTOM_LLM_PROVIDER: response.provider,
        names.API_BASE: response.api_base,
        names.CACHE_HIT: response.cache_hit,
        names.FINISH_REASONS: response.finish_reasons,
    }
    # If MLflow reads a None, the trace has no totals.
    fields = {key: value for key, value in values.items() if value is not None}
    return {**response.attributes, **response.token_details, **fields}


def tag_trace(span: object, request: Request, active: object) -> None:
    """Tag the trace of a span with the data of a request, if the span is the root."""
    if request.tags or request.trace_metadata or request.session or request.user:
        with guard("tagging a trace"):
            # In a copy of the context, so the span need not be made inactive again.
            copy_context().run(_tag, span, request, active)


def _tag(span: object, request: Request, active: Any) -> None:
    active().__enter__()
    trace_metadata.set_metadata(span, request)


def _status(failure: Failure | None) -> SpanStatus | None:
    return SpanStatus(SpanStatusCode.ERROR, failure.description) if failure else None
