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
        with _lock:
            count = _merged.get(self._id, 0)
            if count or not self._is_known():
                _merged[self._id] = count + 1
            if not self._is_known():
                self._register()

    def leave(self) -> None:
        """Drop the trace once its spans are exported, if no other request is in it."""
        with _lock:
            # MLflow itself keeps a trace that began in this process.
            if self._id not in _merged:
                return
            _merged[self._id] -= 1
        _forget_later(self._id)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the caller's span the current one, in this context only."""
        api = mlflow_compat.CONTEXT_API.find()()
        token = api.attach(self._context)
        try:
            yield
        finally:
            api.detach(token)

    def _is_known(self) -> bool:
        manager = mlflow_compat.trace_manager()
        # Of more than a thousand traces, MLflow drops the oldest ones, but keeps their ids.
        with manager.get_trace(mlflow_compat.MAKE_TRACE_ID.find()(self._id)) as open_trace:
            return open_trace is not None

    def _register(self) -> None:
        # Without an experiment, MLflow asks the server with every batch of spans.
        experiment_id = root_experiment_id()
        location: Any = experiment_id and TraceLocation.from_experiment_id(experiment_id)
        info = TraceInfo(
            trace_id=mlflow_compat.MAKE_TRACE_ID.find()(self._id),
            trace_location=location,
            # Not stored: the trace's data comes from its root span.
            request_time=0,
            state=TraceState.IN_PROGRESS,
        )
        mlflow_compat.trace_manager().register_trace(self._id, info, is_remote_trace=True)


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
# The number of requests in each trace. At 0, the trace's spans may not be exported yet.
_merged: dict[int, int] = {}
_lock = threading.Lock()
_left: SimpleQueue[int] = SimpleQueue()
_forgetting_process: int | None = None


def _forget_later(trace_id: int) -> None:
    global _forgetting_process
    _left.put(trace_id)
    with _lock:
        if _forgetting_process == os.getpid():
            return
        _forgetting_process = os.getpid()
    threading.Thread(target=_forget_left, name="mlflow-litellm-remote", daemon=True).start()


def _forget_left() -> None:
    while True:
        pending = {_left.get()}
        while pending:
            with guard("dropping a caller's trace"):
                pending = _forget(pending)
            if pending:
                time.sleep(_LOOK_AGAIN_S)
            with suppress(Empty):
                while True:
                    pending.add(_left.get_nowait())


def _forget(trace_ids: set[int]) -> set[int]:
    """Drop the traces without requests; return the traces that have open spans."""
    # The flush queues the spans for the network, and does not wait.
    mlflow_compat.tracer_provider().get().force_flush()
    manager = mlflow_compat.trace_manager()
    still_open = set()
    with _lock:
        for trace_id in trace_ids:
            if manager.has_open_spans(trace_id):
                still_open.add(trace_id)
            elif _merged.get(trace_id) == 0:
                del _merged[trace_id]
                manager.pop_trace(trace_id)
    return still_open
