"""
Continue a trace that a caller began in another process.

The header ``traceparent`` names the trace: https://www.w3.org/TR/trace-context/. MLflow's own
function, ``set_tracing_context_from_http_request_headers()``, drops the trace when the request
ends. That is before a batch of spans is exported, and while other requests of the trace go on.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import TraceInfo, TraceLocation, TraceState
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.store.experiment import root_experiment_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.context import Context

# If set, callers' traces are not continued. LiteLLM's own tracing reads the same variable.
# https://docs.litellm.ai/docs/observability/opentelemetry_integration
IGNORED = "OTEL_IGNORE_CONTEXT_PROPAGATION"
# Stores that take only whole traces: a part without its root would be lost.
_TAKE_NO_SPANS = ("databricks", "file:", "/", ".")
# The interval at which spans that are still open after their request are checked again.
_LOOK_AGAIN_S = 1.0


class RemoteTrace:
    """
    A trace that a caller began in another process, and that has spans of this process.

    MLflow keeps the trace from `join` on, until each `join` has had its `leave`, and the spans are
    exported.

    Args:
        context: The caller's span, as an OpenTelemetry context.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._id: int = trace.get_current_span(context).get_span_context().trace_id

    def join(self) -> None:
        """Register the trace with MLflow. Call it once, and `leave` after it."""
        _remote_traces.join(self._id)

    def leave(self) -> None:
        """Drop the trace once its spans are exported, if no other request is in it."""
        _remote_traces.leave(self._id)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the caller's span the current one, in this context only."""
        api = mlflow_compat.CONTEXT_API.find()()
        token = api.attach(self._context)
        try:
            yield
        finally:
            api.detach(token)


def remote_trace(headers: Mapping[str, str]) -> RemoteTrace | None:
    """
    Return the trace that a request's headers name.

    Args:
        headers: The headers by lower-case name.

    Returns:
        The trace; None if there is no valid ``traceparent``, if the trace is not sampled, if
        ``OTEL_IGNORE_CONTEXT_PROPAGATION`` is set, or if the store takes only whole traces.
    """
    if "traceparent" not in headers or os.environ.get(IGNORED, "").lower() in {"1", "true"}:
        return None
    context = TraceContextTextMapPropagator().extract(headers)
    span = trace.get_current_span(context).get_span_context()
    if not span.is_valid or not span.trace_flags.sampled or not _can_join():
        return None
    return RemoteTrace(context)


def _can_join() -> bool:
    """Return whether MLflow can continue a trace, and its store takes single spans."""
    if not all(name.find() for name in _NEEDED):
        return False
    # MLflow sets this to False if the server refuses single spans, as with a file store.
    accepted = getattr(mlflow_compat.trace_exporter(), "_store_supports_log_spans", True)
    return accepted and not mlflow.get_tracking_uri().startswith(_TAKE_NO_SPANS)


_NEEDED = (
    mlflow_compat.CONTEXT_API,
    mlflow_compat.MAKE_TRACE_ID,
    mlflow_compat.PROVIDER,
    mlflow_compat.TRACE_MANAGER,
)


class _RemoteTraces:
    """
    The traces that MLflow keeps for the requests of the process. All requests share one instance.

    A lock guards the numbers. A thread drops the traces: it begins with the first trace that a
    request leaves, and anew in a forked child, which lacks its parent's thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The number of requests in each trace. At 0, the trace's spans may not be exported yet.
        self._requests: dict[int, int] = {}
        self._left: SimpleQueue[int] = SimpleQueue()
        self._dropping_process: int | None = None

    def join(self, trace_id: int) -> None:
        """Count a request of a trace; the first one registers the trace with MLflow."""
        with self._lock:
            count = self._requests.get(trace_id, 0)
            is_registered = _is_registered(trace_id)
            # MLflow itself keeps a trace that began in this process.
            if count or not is_registered:
                self._requests[trace_id] = count + 1
            if not is_registered:
                _register(trace_id)

    def leave(self, trace_id: int) -> None:
        """Count a request less. The thread drops the trace, if no other request is in it."""
        with self._lock:
            if trace_id not in self._requests:
                return
            self._requests[trace_id] -= 1
            is_dropping = self._dropping_process == os.getpid()
            self._dropping_process = os.getpid()
        self._left.put(trace_id)
        if not is_dropping:
            name = "mlflow-litellm-remote"
            threading.Thread(target=self._drop_left, name=name, daemon=True).start()

    def _drop_left(self) -> None:
        while True:
            pending = {self._left.get()}
            while pending:
                with guard("dropping a caller's trace"):
                    pending = self._drop(pending)
                if pending:
                    time.sleep(_LOOK_AGAIN_S)
                with suppress(Empty):
                    while True:
                        pending.add(self._left.get_nowait())

    def _drop(self, trace_ids: set[int]) -> set[int]:
        """Drop the traces without requests; return the traces that have open spans."""
        # The flush queues the spans for the network, and does not wait.
        mlflow_compat.tracer_provider().get().force_flush()
        manager = mlflow_compat.trace_manager()
        still_open = set()
        with self._lock:
            for trace_id in trace_ids:
                if manager.has_open_spans(trace_id):
                    still_open.add(trace_id)
                elif self._requests.get(trace_id) == 0:
                    del self._requests[trace_id]
                    manager.pop_trace(trace_id)
        return still_open


_remote_traces = _RemoteTraces()


def _is_registered(trace_id: int) -> bool:
    manager = mlflow_compat.trace_manager()
    # Of more than a thousand traces, MLflow drops the oldest ones, but keeps their ids.
    with manager.get_trace(mlflow_compat.MAKE_TRACE_ID.find()(trace_id)) as open_trace:
        return open_trace is not None


def _register(trace_id: int) -> None:
    # Without an experiment, MLflow asks the server with every batch of spans.
    experiment_id = root_experiment_id()
    location: Any = experiment_id and TraceLocation.from_experiment_id(experiment_id)
    info = TraceInfo(
        trace_id=mlflow_compat.MAKE_TRACE_ID.find()(trace_id),
        trace_location=location,
        # Not stored: the trace's data comes from its root span.
        request_time=0,
        state=TraceState.IN_PROGRESS,
    )
    mlflow_compat.trace_manager().register_trace(trace_id, info, is_remote_trace=True)
