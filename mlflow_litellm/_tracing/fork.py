"""
Let a forked child trace: a fork copies MLflow's queue, but none of its threads.

Without this module, the child's spans and its exit wait for those threads forever. A lock that
another thread held stays locked, also inside SQLite, and parent and child share connections to a
store. So a fork waits until no write to a SQL store is under way. The parent sends the queued
spans; the child begins with an empty queue.
"""

from __future__ import annotations

import os
import sys
import threading
from functools import cache
from typing import Any

from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.export import export_lock
from mlflow_litellm._tracing.export_stats import stats
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.health import counts
from mlflow_litellm._tracing.store import opening

_OWN = "mlflow_litellm"
# The packages whose locks a call may take.
PACKAGES = (
    _OWN,
    "mlflow.tracing",
    "mlflow.tracking._tracking_service",
    "mlflow.utils.autologging_utils",
)
_FRESH: dict[type, Any] = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
    threading.Condition: threading.Condition,
}


@cache
def attach() -> None:
    """Let each child that is forked from now on trace. Only the first call does something."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
        )


def _before() -> None:
    with guard("preparing a fork"):
        opening.hold()
        # No wait for a tracking server: parent and child share no state with it.
        if mlflow_compat.store_engine():
            export_lock.close()


def _after_in_parent() -> None:
    with guard("going on after a fork"):
        opening.release()
        export_lock.open()


def _after_in_child() -> None:
    export_lock.reset_after_fork()
    with guard("resetting locks in a forked process"):
        _reset_locks()
    with guard("resetting the export in a forked process"):
        _reset_export()
    counts.reset()
    stats.reset_after_fork()


def _reset_locks() -> None:
    for name, module in sys.modules.copy().items():
        if name.startswith(PACKAGES):
            _reset_locks_of(module)
            for each in list(vars(module).values()):
                if type(each).__module__.startswith(_OWN):
                    _reset_locks_of(each)
    _reset_locks_of(mlflow_compat.TRACE_MANAGER.find())
    _reset_locks_of(mlflow_compat.trace_manager())
    for part in (*mlflow_compat.span_processors(), *mlflow_compat.trace_exporters()):
        _reset_locks_of(part)
    _reset_locks_of(mlflow_compat.sql_store_class())
    _reset_locks_of(mlflow_compat.lock_of_readiness())


def _reset_locks_of(holder: object) -> None:
    for name, value in list(getattr(holder, "__dict__", {}).items()):
        if fresh := _FRESH.get(type(value)):
            setattr(holder, name, fresh())


def _reset_export() -> None:
    for processor in mlflow_compat.span_processors():
        mlflow_compat.reset_ending_spans(processor)
    for exporter in mlflow_compat.trace_exporters():
        if queue := mlflow_compat.export_queue(exporter):
            # As MLflow made it: empty, and without threads until the first entry.
            queue.__init__()
        if engine := mlflow_compat.store_engine(exporter):
            # https://docs.sqlalchemy.org/en/20/core/pooling.html#pooling-multiprocessing
            engine.dispose(close=False)
