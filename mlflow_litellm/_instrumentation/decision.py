"""Decide at each call whether to trace it."""

from __future__ import annotations

import sys

from mlflow_litellm._instrumentation.builtin_callback import removed_callbacks
from mlflow_litellm._instrumentation.callers import is_mlflows_own
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.health import Reason, counts


class Tracing:
    """
    The switch of the process: whether calls are traced.

    ``autolog()`` sets it, under MLflow's lock. Each patched function reads it, without a lock.
    """

    def __init__(self) -> None:
        self._is_enabled = False

    def is_enabled(self) -> bool:
        """Return whether calls are traced."""
        return self._is_enabled

    def switch(self, *, on: bool) -> None:
        """Set whether calls are traced from now on."""
        self._is_enabled = on


tracing = Tracing()


def should_trace() -> bool:
    """Return whether to trace the call; called at each call. Takes MLflow's callback out."""
    if not tracing.is_enabled():
        counts.add_not_traced(Reason.OFF)
        return False
    with guard("taking MLflow's callback out of LiteLLM's lists"):
        removed_callbacks.remove(sys.modules["litellm"])
    if is_mlflows_own():
        counts.add_not_traced(Reason.BY_MLFLOW)
        return False
    return True
