"""
Keep calls from waiting for a Databricks workspace, which MLflow asks before its first span.

MLflow asks the workspace for the storage location of the experiment's traces, which decides how it
exports them. If the workspace does not answer, that takes minutes. Here, a thread asks, and calls
wait for it for a second in all. Calls that begin before the workspace has answered are not traced.
"""

from __future__ import annotations

import threading

import mlflow

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.store.attempts import Attempt

# Calls wait for the workspace until this time after the request.
PATIENCE_S = 1.0
# A server that starts waits until this time. MLflow imports its client of Databricks then.
START_PATIENCE_S = 5.0


class WorkspaceSilentError(Exception):
    """The Databricks workspace has not answered yet."""


def prepare() -> None:
    """
    Make MLflow ready to start a span without asking a server.

    Raises:
        WorkspaceSilentError: The workspace has not answered within a second.
    """
    if not _needs_workspace():
        return
    attempt = _workspace.request()
    attempt.wait(PATIENCE_S)
    if attempt.is_running and not mlflow_compat.is_tracing_ready():
        msg = f"{mlflow.get_tracking_uri()} has not answered with the location of its traces"
        raise WorkspaceSilentError(msg)


def prepare_at_start() -> None:
    """Make MLflow ready before the first call, in a server that starts. Waits 5 s at most."""
    if _needs_workspace():
        _workspace.request().wait(START_PATIENCE_S)


def _needs_workspace() -> bool:
    if mlflow_compat.is_tracing_ready():
        return False
    # To find its default store, MLflow imports modules that mlflow-tracing lacks.
    with errors_ignored():
        return mlflow_compat.asks_workspace()
    return False


class _Workspace:
    """The request to the workspace, which all calls of the process share. A lock guards it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: Attempt[bool] | None = None

    def request(self) -> Attempt[bool]:
        """Return the request that is under way; make one if there is none."""
        with self._lock:
            if self._latest is None or not self._latest.is_running:
                name = "mlflow-litellm-first-span"
                self._latest = Attempt(name, mlflow_compat.get_tracing_ready)
            return self._latest


_workspace = _Workspace()
