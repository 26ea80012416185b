"""
Joins a trace that a caller began in another process, and tells other processes of ours.

Both by the header ``traceparent``: https://www.w3.org/TR/trace-context/. MLflow's own way to join,
``set_tracing_context_from_http_request_headers()``, forgets the trace as the request ends, which
is before a batch of spans is exported, and while other requests of the same trace go on.
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

# Says that callers' traces are not to be joined; LiteLLM's variable for its own tracing.
# https://docs.litellm.ai/docs/observability/opentelemetry_integration
IGNORED = "OTEL_IGNORE_CONTEXT_PROPAGATION"
# Stores that take whole traces alone, of which a part, without its root, would be lost.
_TAKE_NO_SPANS = ("databricks", "file:", "/", ".")
# How long to wait for spans that are open as their request ends, before looking again.
_LOOK_AGAIN_S = 1.0


class RemoteTrace:
    """
    A trace that a caller began in another process, and of which spans are made in this one.

    Is known to MLflow from `join` on, until whoever joined has left and the spans are exported.

    Args:
        context: The caller's span, as an OpenTelemetry context.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._id: int = trace.get_current_span(context).get_span_context().trace_id

    def join(self) -> None:
        """Have MLflow know the trace. To be called once, and `leave` after it."""
        with _lock:
            known = _merged.get(self._id, 0)
            if known or not self._is_known():
                _merged[self._id] = known + 1
            if not self._is_known():
                self._register()

    def leave(self) -> None:
        """Have MLflow forget the trace once its spans are exported, if nobody else is in it."""
        with _lock:
            # One that began in this very process is MLflow's.
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
        # MLflow drops the oldest of more than a thousand, but keeps their ids.
        with manager.get_trace(mlflow_compat.MAKE_TRACE_ID.find()(self._id)) as found:
            return found is not None

    def _register(self) -> None:
        # Without one MLflow asks the server, with every batch of spans.
        experiment_id = root_experiment_id()
        location: Any = experiment_id and TraceLocation.from_experiment_id(experiment_id)
        info = TraceInfo(
            trace_id=mlflow_compat.MAKE_TRACE_ID.find()(self._id),
            trace_location=location,
            # Not stored: what is told of the trace is its root's.
            request_time=0,
            state=TraceState.IN_PROGRESS,
        )
        mlflow_compat.trace_manager().register_trace(self._id, info, is_remote_trace=True)


def remote_trace(headers: Mapping[str, str]) -> RemoteTrace | None:
    """
    Return the trace that a request's headers say it belongs to.

    Args:
        headers: By lower-case name.

    Returns:
        None without a valid ``traceparent``, with one of a trace that is not recorded, where
        ``OTEL_IGNORE_CONTEXT_PROPAGATION`` is set, and where the store takes whole traces alone.
    """
    if "traceparent" not in headers or os.environ.get(IGNORED, "").lower() in {"1", "true"}:
        return None
    context = TraceContextTextMapPropagator().extract(headers)
    span = trace.get_current_span(context).get_span_context()
    if not span.is_valid or not span.trace_flags.sampled or not _can_join():
        return None
    return RemoteTrace(context)


def _can_join() -> bool:
    """Return whether MLflow can join a trace, and its store takes single spans."""
    if not all(name.find() for name in _NEEDED):
        return False
    # MLflow notes there that the server has refused them, as one with a file store does.
    accepted = getattr(mlflow_compat.trace_exporter(), "_store_supports_log_spans", True)
    return accepted and not mlflow.get_tracking_uri().startswith(_TAKE_NO_SPANS)


_NEEDED = (
    mlflow_compat.CONTEXT_API,
    mlflow_compat.MAKE_TRACE_ID,
    mlflow_compat.PROVIDER,
    mlflow_compat.TRACE_MANAGER,
)
# How many are in each trace; of those with none the spans may have yet to be exported.
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
            with guard("forgetting a caller's trace"):
                pending = _forget(pending)
            if pending:
                time.sleep(_LOOK_AGAIN_S)
            with suppress(Empty):
                while True:
                    pending.add(_left.get_nowait())


def _forget(trace_ids: set[int]) -> set[int]:
    """Forget those that nobody is in; return those that have open spans."""
    # Queues them for the network, and waits for none.
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
