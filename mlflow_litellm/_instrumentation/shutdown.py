"""Says at exit what was lost, and has the workers of ``multiprocessing`` send what they have."""

from __future__ import annotations

import atexit
import multiprocessing
from multiprocessing import util
from typing import Any

import mlflow

from mlflow_litellm._instrumentation.stream_state import end_open_streams
from mlflow_litellm._tracing import export_stats
from mlflow_litellm._tracing import health as health_module
from mlflow_litellm._tracing.guard import guard, logger
from mlflow_litellm._tracing.store.errors import store_uri

_attached = False


def attach() -> None:
    """
    Have losses told at exit, and workers end as other processes do. Is idempotent.

    To be called before MLflow's first span, if possible: exit handlers run last first, and this
    one has the last word where MLflow's, which send what waits, have run before.
    """
    global _attached
    if not _attached:
        _attached = True
        atexit.register(report_losses)
        util.register_after_fork(attach, _attach_to_worker)
        if multiprocessing.parent_process() is not None:
            _attach_to_worker()


def _attach_to_worker(*_: Any) -> None:
    # A worker that was forked ends by os._exit(), which runs no exit handler.
    util.Finalize(None, _end_worker, exitpriority=0)


def _end_worker() -> None:
    end_open_streams()
    with guard("sending what a worker has traced"):
        mlflow.flush_trace_async_logging()
    report_losses()
    # A spawned one runs exit handlers as well.
    atexit.unregister(report_losses)


def report_losses() -> None:
    """Log one line if traces are incomplete; waits for what MLflow still has to send."""
    with guard("telling what was lost"):
        if export_stats.pending():
            mlflow.flush_trace_async_logging()
        lost, health = export_stats.pending(), health_module.health()
        if health.has_losses or lost:
            logger.warning(
                "Traces of LiteLLM are incomplete: %s, %d not sent to %s. Look after the server, "
                "and at https://mlflow.org/docs/latest/genai/tracing/prod-tracing/ for MLflow's "
                "queue; set the logger 'mlflow_litellm' to DEBUG to see each fault.",
                health, lost, store_uri(),
            )  # fmt: skip
