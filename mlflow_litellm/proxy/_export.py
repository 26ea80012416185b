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
from mlflow_litellm.proxy import _verdict

# A trace takes a few entries: one for itself, and one for each batch of its spans.
_FULL = 0.8
_TELL_EVERY_S = 60.0
# Kubernetes allows 30 seconds for the stop, and LiteLLM may use some of them for requests.
FLUSH_S = 10.0

_lock = threading.Lock()
_dropped = 0
_logged_at: float | None = None


def has_room() -> bool:
    """Return whether one more trace can be sent; if not, count a request that is not traced."""
    global _dropped
    queue = _queue()
    if queue is None or queue.qsize() < queue.maxsize * _FULL:
        return True
    with _lock:
        _dropped += 1
    _tell(queue)
    return False


def dropped() -> int:
    """Return the number of requests that were not traced since the process began."""
    return _dropped


def _tell(queue: Any) -> None:
    global _logged_at
    now = time.monotonic()
    with _lock:
        if _logged_at is not None and now - _logged_at < _TELL_EVERY_S:
            return
        _logged_at = now
    logger.warning(
        "Not tracing: %d requests so far, because %d traces or parts of traces wait to be sent to "
        "%s, which is slow or gone. The proxy answers requests as before. Check the server, or "
        "raise MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE.",
        _dropped, queue.qsize(), mlflow.get_tracking_uri(),
    )  # fmt: skip


async def flush() -> None:
    """Send the queued traces, for ten seconds at most. Does not block the event loop."""
    _verdict.release_all()
    # Not a thread of the event loop: at its end, the loop would wait for it.
    thread = threading.Thread(target=_flush, name="mlflow-litellm-flush", daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, FLUSH_S)
    queue = _queue()
    if _dropped or (queue is not None and thread.is_alive()):
        logger.warning(
            "Stopping: %d requests were not traced, and %d traces or parts of traces were not sent "
            "to %s within %d seconds.",
            _dropped, queue.qsize() if queue and thread.is_alive() else 0,
            mlflow.get_tracking_uri(), FLUSH_S,
        )  # fmt: skip


def _flush() -> None:
    with guard("sending traces before the proxy stops"):
        mlflow.flush_trace_async_logging()


def _queue() -> Any:
    """Return MLflow's queue; None if it has moved: then only MLflow's own bound applies."""
    return getattr(export_queue(), "_queue", None)
