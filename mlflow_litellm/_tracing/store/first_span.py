"""
Keeps from the caller what MLflow asks a Databricks workspace before its first span.

MLflow looks up where the experiment's traces are stored, which decides how it exports them. With a
workspace that does not answer, that takes minutes. Here it is asked in a thread of its own, and
calls wait for that for a second in all. Those that come before the answer are not traced.
"""

from __future__ import annotations

import os
import threading

import mlflow

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.store.attempts import Attempt

# How long after the question was asked a call waits for the answer.
PATIENCE_S = 1.0


class WorkspaceSilentError(Exception):
    """The Databricks workspace has not answered yet."""


def prepare() -> None:
    """
    Have MLflow ready to start a span without asking a server.

    Raises:
        WorkspaceSilentError: A workspace is being asked, and has not answered within a second.
    """
    if mlflow_compat.is_tracing_ready() or not _asks_workspace():
        return
    attempt = _attempt()
    attempt.wait(PATIENCE_S)
    if attempt.is_alive() and not mlflow_compat.is_tracing_ready():
        msg = f"{mlflow.get_tracking_uri()} has not answered where traces are stored"
        raise WorkspaceSilentError(msg)


def _asks_workspace() -> bool:
    # MLflow imports what mlflow-tracing lacks to find its default store.
    with errors_ignored():
        return mlflow_compat.asks_workspace()
    return False


_lock = threading.Lock()
_last: tuple[int, Attempt[bool]] | None = None


def _attempt() -> Attempt[bool]:
    # By process as well: a fork copies the attempt, but not its thread.
    global _last
    with _lock:
        if _last is None or _last[0] != os.getpid() or not _last[1].is_alive():
            attempt = Attempt("mlflow-litellm-first-span", mlflow_compat.get_tracing_ready)
            _last = os.getpid(), attempt
        return _last[1]
