"""Log the losses at exit, and flush the traces of the workers of ``multiprocessing``."""

from __future__ import annotations

import atexit
import multiprocessing
from functools import cache
from multiprocessing import util

import mlflow

from mlflow_litellm._instrumentation.stream_state import open_streams
from mlflow_litellm._tracing.export_stats import stats
from mlflow_litellm._tracing.guard import guard, logger
from mlflow_litellm._tracing.health import health
from mlflow_litellm._tracing.mlflow_compat import exports_to_otlp_only
from mlflow_litellm._tracing.store.errors import store_uri


@cache
def attach() -> None:
    """
    Log losses at exit, and let workers end as other processes do. Only the first call does so.

    Call it before MLflow's first span, if possible. Exit handlers run last first: MLflow's, which
    send the queued traces, then run before this one.
    """
    atexit.register(report_losses)
    util.register_after_fork(report_losses, _attach_to_worker)
    if multiprocessing.parent_process() is not None:
        _attach_to_worker()


def _attach_to_worker(*_: object) -> None:
    # A forked worker ends by os._exit(), which runs no exit handler.
    util.Finalize(None, _end_worker, exitpriority=0)


def _end_worker() -> None:
    open_streams.end_all()
    with guard("sending the traces of a worker"):
        mlflow.flush_trace_async_logging()
    report_losses()
    # A spawned worker runs exit handlers as well.
    atexit.unregister(report_losses)


def report_losses() -> None:
    """Log one line if traces are incomplete. Waits until MLflow has sent its queue."""
    with guard("reporting losses"):
        if stats.pending():
            mlflow.flush_trace_async_logging()
        # Spans for a collector pass none of the methods by which MLflow's spans are counted.
        lost = 0 if exports_to_otlp_only() else stats.pending()
        now = health()
        if now.has_losses or lost:
            logger.warning(
                "Traces of LiteLLM are incomplete: %s, %d not sent to %s. Check the server. For "
                "MLflow's queue see https://mlflow.org/docs/latest/genai/tracing/prod-tracing/ . "
                "To see each fault, set the logger 'mlflow_litellm' to DEBUG.",
                now, lost, store_uri(),
            )  # fmt: skip
