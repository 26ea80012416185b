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

_lock = threading.Lock()
_taken: list[tuple[str, int, Any]] = []


def take_out(litellm: ModuleType) -> None:
    """Remove MLflow's callback from LiteLLM's lists. Is idempotent, thread-safe, and takes 1 us."""
    for name in LISTS:
        callbacks: list[Any] | None = getattr(litellm, name, None)
        if callbacks and any(map(is_mlflow, callbacks)):
            _take_out_of(name, callbacks)


def are_taken_out() -> bool:
    """Return whether a callback has been removed from the lists."""
    return bool(_taken)


def put_back(litellm: ModuleType) -> None:
    """Put the removed callbacks back at their positions. Is idempotent and thread-safe."""
    with _lock:
        while _taken:
            name, position, callback = _taken.pop()
            callbacks = getattr(litellm, name, None)
            if isinstance(callbacks, list) and callback not in callbacks:
                callbacks.insert(position, callback)


def is_mlflow(callback: Any) -> bool:
    """Return whether a callback is MLflow's: the name "mlflow", or LiteLLM's logger for it."""
    if isinstance(callback, str):
        return callback == "mlflow"
    return type(callback).__module__ == "litellm.integrations.mlflow"


def _take_out_of(name: str, callbacks: list[Any]) -> None:
    with _lock:
        positions = [position for position, item in enumerate(callbacks) if is_mlflow(item)]
        # In place, last one first: LiteLLM and the user may hold the list itself.
        _taken.extend((name, position, callbacks.pop(position)) for position in reversed(positions))
