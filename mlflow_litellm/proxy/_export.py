"""
Stop tracing requests while the tracking server is slow or gone.

MLflow's queue of traces is bounded: it drops the traces that do not fit, and does not count them.
Here, if the queue is nearly full, requests are counted instead of traced.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import mlflow

from mlflow_litellm._tracing.guard import guard, logger
from mlflow_litellm._tracing.mlflow_compat import export_queue
from mlflow_litellm.proxy._verdict import verdicts

# A trace takes a few entries: one for itself, and one for each batch of its spans.
_FULL = 0.8
_WARN_EVERY_S = 60.0
# Kubernetes allows 30 seconds for the stop, and LiteLLM may use some of them for requests.
FLUSH_S = 10.0


class UntracedRequests:
    """
    The requests that were not traced because MLflow's queue was nearly full.

    All requests to the proxy share one instance. A lock guards its values.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logged_at: float | None = None
        self.count = 0

    def add(self, queue: Any) -> None:
        """Count a request, and log a warning once a minute."""
        now = time.monotonic()
        with self._lock:
            self.count += 1
            if self._logged_at is not None and now - self._logged_at < _WARN_EVERY_S:
                return
            self._logged_at = now
        logger.warning(
            "Not tracing: %d requests so far, because %d traces or parts of traces wait to be sent "
            "to %s, which is slow or gone. The proxy answers requests as before. Check the server, "
            "or raise MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE.",
            self.count, queue.qsize(), mlflow.get_tracking_uri(),
        )  # fmt: skip


untraced_requests = UntracedRequests()


def has_room() -> bool:
    """Return whether one more trace can be sent; if not, count a request that is not traced."""
    queue = _queue()
    if queue is None or queue.qsize() < queue.maxsize * _FULL:
        return True
    untraced_requests.add(queue)
    return False


async def flush() -> None:
    """Send the queued traces, for ten seconds at most. Does not block the event loop."""
    verdicts.release_all()
    # Not a thread of the event loop: at its end, the loop would wait for it.
    thread = threading.Thread(target=_flush, name="mlflow-litellm-flush", daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, FLUSH_S)
    queue = _queue()
    if untraced_requests.count or (queue is not None and thread.is_alive()):
        logger.warning(
            "Stopping: %d requests were not traced, and %d traces or parts of traces were not sent "
            "to %s within %d seconds.",
            untraced_requests.count, queue.qsize() if queue and thread.is_alive() else 0,
            mlflow.get_tracking_uri(), FLUSH_S,
        )  # fmt: skip


def _flush() -> None:
    with guard("sending traces before the proxy stops"):
        mlflow.flush_trace_async_logging()


def _queue() -> Any:
    """Return MLflow's queue; None if it has moved: then only MLflow's own bound applies."""
    return getattr(export_queue(), "_queue", None)
