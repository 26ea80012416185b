"""
Remove MLflow's callback from LiteLLM's lists while this package traces, and put it back after.

Otherwise each call would have two traces. A list holds the callback as the string ``"mlflow"``, or
as the logger that LiteLLM makes from it: https://docs.litellm.ai/docs/observability/mlflow
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

# LiteLLM's first call fills the two private lists from the three public ones. A name that a
# version lacks counts as an empty list.
LISTS = (
    "callbacks",
    "success_callback",
    "failure_callback",
    "_async_success_callback",
    "_async_failure_callback",
)


class RemovedCallbacks:
    """
    The callbacks of MLflow that were removed from LiteLLM's lists.

    The process has one instance. Each call may remove a callback. A lock guards the changes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._removed: list[tuple[str, int, Any]] = []

    def __bool__(self) -> bool:
        return bool(self._removed)

    def remove(self, litellm: ModuleType) -> None:
        """Remove MLflow's callback from LiteLLM's lists. Is idempotent. Takes 1 us."""
        for name in LISTS:
            callbacks: list[Any] | None = getattr(litellm, name, None)
            if callbacks and any(map(is_mlflow, callbacks)):
                self._remove(name, callbacks)

    def restore(self, litellm: ModuleType) -> None:
        """Put the removed callbacks back at their positions. Is idempotent."""
        with self._lock:
            while self._removed:
                name, position, callback = self._removed.pop()
                callbacks = getattr(litellm, name, None)
                if isinstance(callbacks, list) and callback not in callbacks:
                    callbacks.insert(position, callback)

    def _remove(self, name: str, callbacks: list[Any]) -> None:
        with self._lock:
            positions = [position for position, item in enumerate(callbacks) if is_mlflow(item)]
            # In place, last one first: LiteLLM and the user may hold the list itself.
            for position in reversed(positions):
                self._removed.append((name, position, callbacks.pop(position)))


removed_callbacks = RemovedCallbacks()


def is_mlflow(callback: object) -> bool:
    """Return whether a callback is MLflow's: the name "mlflow", or LiteLLM's logger for it."""
    if isinstance(callback, str):
        return callback == "mlflow"
    return type(callback).__module__ == "litellm.integrations.mlflow"
