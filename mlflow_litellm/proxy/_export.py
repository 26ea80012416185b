"""
What the gateway owes nobody: the export of its traces, when the tracking server is slow or gone.

MLflow keeps a bounded queue of what it has to send, and drops what does not fit without count.
Here requests are no longer traced once it is nearly full, and are counted.
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

# A trace takes a few places: one for itself, and one for each batch of its spans.
_FULL = 0.8
_TELL_EVERY_S = 60.0
# Kubernetes gives 30 seconds to stop in, of which LiteLLM may use some for requests.
FLUSH_S = 10.0

_lock = threading.Lock()
_dropped = 0
_logged_at: float | None = None


def has_room() -> bool:
    """Return whether one more trace can be sent; if not, count one more that is not made."""
    global _dropped
    queue = _queue()
    if queue is None or queue.qsize() < queue.maxsize * _FULL:
        return True
    with _lock:
        _dropped += 1
    _tell(queue)
    return False


def dropped() -> int:
    """Return how many requests were not traced since the process began."""
    return _dropped


def _tell(queue: Any) -> None:
    global _logged_at
    now = time.monotonic()
    with _lock:
        if _logged_at is not None and now - _logged_at < _TELL_EVERY_S:
            return
        _logged_at = now
    logger.warning(
        "Not tracing: %d requests so far, as %d traces or parts of them wait to be sent to %s, "
        "which is slow or gone. Requests are answered as ever. Look after the server, or raise "
        "MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE.",
        _dropped, queue.qsize(), mlflow.get_tracking_uri(),
    )  # fmt: skip


async def flush() -> None:
    """Send what waits to be sent, for ten seconds at most. Blocks no event loop."""
    _verdict.release_all()
    # Not the loop's own threads, which it would wait for as it ends.
    thread = threading.Thread(target=_flush, name="mlflow-litellm-flush", daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, FLUSH_S)
    queue = _queue()
    if _dropped or (queue is not None and thread.is_alive()):
        logger.warning(
            "Stopping: %d requests were not traced, and %d traces or parts of them were not sent "
            "to %s within %d seconds.",
            _dropped, queue.qsize() if queue and thread.is_alive() else 0,
            mlflow.get_tracking_uri(), FLUSH_S,
        )  # fmt: skip


def _flush() -> None:
    with guard("sending traces before the gateway stops"):
        mlflow.flush_trace_async_logging()


def _queue() -> Any:
    """Return what waits to be sent; None where that has moved, and MLflow's bound is left."""
    return getattr(export_queue(), "_queue", None)
