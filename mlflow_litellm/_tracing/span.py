"""Start one MLflow span, make it current during the call, and end it."""

from __future__ import annotations

import json
import time
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import SpanEvent
from opentelemetry.context import Context as OTelContext
from opentelemetry.trace import format_span_id, format_trace_id

from mlflow_litellm._common import attributes as names
from mlflow_litellm._tracing import losses, mlflow_compat, privacy, span_end
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.privacy import Content
from mlflow_litellm._tracing.span_end import Failure, SpanEnd, has_ended
from mlflow_litellm._tracing.stack_traces import stack_trace
from mlflow_litellm._tracing.store import experiment, first_span
from mlflow_litellm._tracing.trace_metadata import SOURCE_RUN

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_litellm._payloads.base import Request, Response
    from mlflow_litellm._tracing.span_end import Holder


class CallSpan:
    """
    The span of one call. Its methods never raise; data that cannot be recorded is left out.

    The span is a child of the active span, or the root of a new trace. Ending it again does
    nothing. Only the end writes content to the span: until then, an inner call may forbid content.

    Args:
        name: The name of the span.
        span_type: MLflow's type of the span.
        since: A span whose start this span gets, or the start, by ``time.time_ns()``. None for now.

    Attributes:
        content: How much of the call may be recorded.
        started_at: When the call began, by ``time.perf_counter()``.
        withheld: Keeps the end of the span until it is decided which data may be recorded; None
            if the end is written at once.
    """

    __slots__ = (
        "_request",
        "_span",
        "_start",
        "_tags_at_end",
        "content",
        "started_at",
        "withheld",
    )

    def __init__(self, name: str, span_type: str, since: CallSpan | int | None = None) -> None:
        began = since.started_ns if isinstance(since, CallSpan) else since
        self.started_at: float = (
            since.started_at if isinstance(since, CallSpan) else time.perf_counter()
        )
        self._start = partial(_start, name, span_type, began)
        self._span: Any = None
        self._request: Request | None = None
        self._tags_at_end = False
        self.content = Content.FULL
        self.withheld: Holder | None = None

    def start(self) -> CallSpan:
        """Start the span; return this object. Call it once."""
        with guard("starting a span"):
            # No check first whether tracing is on: MLflow counts also the spans that it will drop.
            # https://github.com/mlflow/mlflow/blob/master/mlflow/genai/utils/trace_utils.py
            if (parent := _parent_outside_mlflow()) is None:
                self._span = self._start()
            else:
                self._span = copy_context().run(_below_nothing, self._start)
                if self.recording:
                    self._span.set_attributes(_link(parent))
        return self

    @property
    def started_ns(self) -> int | None:
        """When the span began, by ``time.time_ns()``; None if it has ended or is not recorded."""
        return self._span.start_time_ns if self.recording else None

    @property
    def recording(self) -> bool:
        """Whether the span is recorded: False if tracing is off, or if it is sampled out."""
        return self._span is not None and not mlflow_compat.is_no_op(self._span)

    @property
    def in_trace(self) -> bool:
        """Whether the span is in a trace, which may be sampled out; False with tracing off."""
        if self._span is None or self.recording:
            return self._span is not None
        with guard("looking for a span's context"):
            context = mlflow_compat.otel_span(self._span).get_span_context()
            return context is not None and bool(context.is_valid)
        return False

    def active(self) -> ActiveSpan:
        """Return a context manager that makes the span the current one, in this context only."""
        return ActiveSpan(self._span)

    def set_type(self, span_type: str) -> None:
        """Change the span's type: the type of some calls is known only at their end."""
        if self.recording:
            with guard("changing a span's type"):
                self._span.set_span_type(span_type)

    def record(self, request: Request, *, tags_trace: bool = True) -> None:
        """
        Set the request, which is written at the span's end. If the span is a root, tag the trace.

        Args:
            request: The request.
            tags_trace: Whether to tag the trace now, not at the span's end.
        """
        with guard("recording a request"):
            self._request = request
            self._tags_at_end = not tags_trace
            if tags_trace:
                allowed = privacy.request_of(request, self.content)
                span_end.tag_trace(self._span, allowed, self.active)

    def finish(self, response: Response | None = None) -> None:
        """End the span with a response; MLflow sets its status to OK."""
        self._end(response)

    def abandon(self, response: Response | None, chunks: int, at: float | None = None) -> None:
        """
        End the span of a stream that was not read to its end, with an event ``abandoned``.

        Args:
            response: The part of the response that was read.
            chunks: The number of chunks that were read.
            at: When the stream was left, by ``time.perf_counter()``; None for now.
        """
        ended_ns = None
        if self.recording:
            with guard("recording that a stream was left"):
                if at is not None:
                    # Not from the span's start: MLflow sets it later than `started_at`.
                    ended_ns = time.time_ns() - round((time.perf_counter() - at) * 1e9)
                event = SpanEvent(  # type: ignore[abstract]
                    "abandoned", timestamp=ended_ns or time.time_ns(), attributes={"chunks": chunks}
                )
                self._span.add_event(event)
        self._end(response, ended_ns=ended_ns)

    def fail(
        self,
        error: BaseException,
        response: Response | None = None,
        redact: Callable[[str], str] = str,
        cause: str = "",
    ) -> None:
        """
        End the span with an exception event, status ERROR, and a partial response.

        Args:
            error: The exception that the call raised.
            response: The part of the response that came before the exception, if any.
            redact: Redacts the secrets in a text of the exception.
            cause: The cause outside the call, such as a guardrail that ended a request.
        """
        if self.recording and has_ended(self._span):
            # The interruption came after the end.
            self._span = None
        failure = None
        if self.recording:
            failure = _failure(error, redact, self.content)
            if cause:
                with guard("recording the cause of a cancellation"):
                    self._span.set_attribute(names.CANCELLED_BY, cause)
                failure.description = f"{failure.description.rstrip(': ')}: {cause}"
                failure.cause = cause
        self._end(response, failure)

    def _end(
        self,
        response: Response | None,
        failure: Failure | None = None,
        ended_ns: int | None = None,
    ) -> None:
        if self.recording:
            self._write_end(response, failure, ended_ns)
        elif self._span is not None:
            with guard("ending a span"):
                self._span.end(end_time_ns=ended_ns)
        # Dropped last: if this is interrupted, the span is ended again.
        self._span = self._request = None

    def _write_end(
        self, response: Response | None, failure: Failure | None, ended_ns: int | None
    ) -> None:
        if response is not None:
            with guard("timing a response"):
                self._time(response, ended_ns)
        with guard("completing a trace's experiment"):
            experiment.set_id_if_known(self._span)
        active = self.active()
        end = SpanEnd(
            self._span, self.content, self._request, response, failure,
            tags_trace=self._tags_at_end, active=lambda: active, ended_ns=ended_ns,
        )  # fmt: skip
        if self.withheld is None:
            end.write()
        else:
            with guard("withholding a span"):
                end.ended_ns = ended_ns or time.time_ns()
                self.withheld.hold(end)

    def _time(self, response: Response, ended_ns: int | None) -> None:
        tokens = (response.usage or {}).get("output_tokens")
        if tokens and not response.cache_hit:
            seconds = time.perf_counter() - self.started_at
            if ended_ns is not None:
                seconds = (ended_ns - self._span.start_time_ns) / 1e9
            response.attributes[names.OUTPUT_TOKENS_PER_SECOND] = round(tokens / seconds, 3)


def _start(name: str, span_type: str, started_ns: int | None) -> Any:
    try:
        first_span.prepare()
    except first_span.WorkspaceSilentError as error:
        losses.count_silent(error)
        return mlflow_compat.no_op_span()
    run = experiment.root_run()
    experiment_id = experiment.root_experiment_id(run)
    with losses.watching():
        span = mlflow.start_span_no_context(
            name,
            span_type=span_type,
            experiment_id=experiment_id,
            start_time_ns=started_ns,
            # MLflow would take the run that was started last in any thread.
            metadata=None if run is None else {SOURCE_RUN: run.info.run_id},
        )
    if mlflow_compat.is_no_op(span):
        losses.count(span)
    return span


def _parent_outside_mlflow() -> Any:
    """
    Return OpenTelemetry's current span if MLflow has no trace for it, else None.

    MLflow starts no span below such a span. A task or a thread that goes on after its trace was
    sent has such a current span. With ``MLFLOW_USE_DEFAULT_TRACER_PROVIDER=false``, so does a
    program that started a span before MLflow's first, or that runs below a span of another process.
    """
    current = mlflow_compat.current_otel_span()
    context = None if current is None else current.get_span_context()
    # A span below one that is sampled out must be dropped.
    if context is None or not context.trace_flags.sampled:
        return None
    return None if mlflow_compat.has_trace(context.trace_id) else current


def _link(parent: Any) -> dict[str, str]:
    """Return the attributes that name a span outside MLflow, which cannot be the parent."""
    context = parent.get_span_context()
    ids = format_trace_id(context.trace_id), format_span_id(context.span_id)
    request_id = (getattr(parent, "attributes", None) or {}).get(names.REQUEST_ID)
    if request_id is None:
        return dict(zip((names.OTEL_TRACE_ID, names.OTEL_SPAN_ID), ids, strict=True))
    return {names.ENDED_TRACE_ID: json.loads(request_id), names.ENDED_SPAN_ID: ids[1]}


def _below_nothing(start: Callable[[], Any]) -> Any:
    # The rest of the context, such as the experiment of a thread, must be kept.
    mlflow_compat.make_current(mlflow_compat.no_op_span())
    return start()


class ActiveSpan:
    """Make a span the current one, and then the previous span again."""

    __slots__ = ("_before", "_span", "_token")

    def __init__(self, span: object) -> None:
        self._span = span
        self._before: Context | None = None
        self._token: Any = None

    def __enter__(self) -> None:
        if self._span is not None:
            self._before = copy_context()
            with guard("making a span current"):
                self._token = mlflow_compat.make_current(self._span)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            with guard("leaving a span"):
                mlflow_compat.make_not_current(self._token)
        self._before = self._token = None

    def restore(self) -> None:
        """Make the previous span current again, if entering or leaving was interrupted."""
        before, self._before = self._before, None
        if before is not None:
            # MLflow's token may be lost, or used already.
            for variable, value in copy_context().items():
                if isinstance(value, OTelContext) and before.get(variable) is not value:
                    variable.set(before.get(variable, OTelContext()))


def _failure(error: BaseException, redact: Callable[[str], str], content: Content) -> Failure:
    kind = type(error).__name__
    failure = Failure(kind, kind, None)
    # Not span.record_exception(): it refuses CancelledError, a BaseException, and records the
    # frames of this package's wrappers.
    with guard("recording an exception"):
        attributes: dict[str, Any] = {"exception.type": redact(kind)}
        if content == Content.FULL:
            attributes["exception.message"] = redact(str(error))
            attributes["exception.stacktrace"] = redact(stack_trace(error))
        failure.event = SpanEvent("exception", attributes=attributes)  # type: ignore[abstract]
    with guard("describing an exception"):
        if content == Content.FULL:
            failure.description = redact(f"{kind}: {error}")
    return failure
