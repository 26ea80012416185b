"""
Act at the two methods by which MLflow sends spans and traces, in its export threads.

The spans that were sent are counted. The placeholder of an experiment is replaced by its id. And a
lock keeps the writes apart from forks.
"""

from __future__ import annotations

import threading
from typing import Any

from mlflow_litellm._common.patching import Patch
from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.export_stats import stats
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.store import experiment


class ExportLock:
    """
    A lock that many threads may hold at once, and that `close` takes once all have released it.

    MLflow's export threads hold the process's one instance while they send spans; a fork closes it.
    Is thread-safe. No thread waits longer than `patience`: after that, it goes on without the lock.

    Args:
        patience: The longest wait to take or to close the lock, in seconds.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Open the lock, with no holders: the other threads do not exist in the child."""
        self._changed = threading.Condition()
        self._inside = 0
        self._is_closed = False

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_closed, self._patience)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let no further thread take the lock, and wait until all holders have released it."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._inside, self._patience)

    def open(self) -> None:
        """Let threads take the lock again."""
        with self._changed:
            self._is_closed = False
            self._changed.notify_all()


# Writing a trace to a local store takes about 10 ms.
export_lock = ExportLock(patience=5.0)


def export_patches() -> list[Patch]:
    """Return the patches of the methods by which MLflow sends spans and traces."""
    client = mlflow_compat.TRACING_CLIENT.find()
    if client is None:
        return []
    return [
        Patch(client, "log_spans", _log_spans, lambda: True),
        Patch(client, "start_trace", _start_trace, lambda: True),
    ]


def _log_spans(wrapped: Any, _: object, args: tuple[Any, ...], kwargs: Any) -> Any:
    arguments = {**dict(zip(("location", "spans"), args, strict=False)), **kwargs}
    # If this fails, MLflow sends the spans with the trace.
    arguments["location"] = experiment.wait_for_id(arguments["location"])
    with export_lock:
        result = wrapped(**arguments)
    with guard("counting spans that were sent"):
        stats.add_sent(arguments["spans"])
    return result


def _start_trace(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    trace = kwargs["trace_info"] if "trace_info" in kwargs else args[0]
    stored = None
    try:
        experiment.set_id(trace)
        with export_lock:
            stored = wrapped(*args, **kwargs)
    finally:
        with guard("counting spans of a trace"):
            stats.add_trace(trace, stored)
    return stored
