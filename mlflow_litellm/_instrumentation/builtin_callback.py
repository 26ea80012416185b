"""
Takes MLflow's own callback out of LiteLLM's lists while this package traces, and puts it back.

Both would make a trace of each call. The callback stands in the lists as the string ``"mlflow"``
or as the logger that LiteLLM makes of it: https://docs.litellm.ai/docs/observability/mlflow
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

# The private two are filled from the public three by LiteLLM's first call. A name that is
# missing in some version counts as empty.
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
    """Take MLflow's callback out of LiteLLM's lists. Is idempotent, thread-safe, and takes 1 us."""
    for name in LISTS:
        callbacks: list[Any] | None = getattr(litellm, name, None)
        if callbacks and any(map(is_mlflow, callbacks)):
            _take_out_of(name, callbacks)


def are_taken_out() -> bool:
    """Tell whether anything has been taken out that stood in the lists."""
    return bool(_taken)


def put_back(litellm: ModuleType) -> None:
    """Put what was taken out back where it stood. Is idempotent and thread-safe."""
    with _lock:
        while _taken:
            name, position, callback = _taken.pop()
            callbacks = getattr(litellm, name, None)
            if isinstance(callbacks, list) and callback not in callbacks:
                callbacks.insert(position, callback)


def is_mlflow(callback: Any) -> bool:
    """Tell whether a callback is MLflow's: its name, or LiteLLM's logger of that name."""
    if isinstance(callback, str):
        return callback == "mlflow"
    return type(callback).__module__ == "litellm.integrations.mlflow"


def _take_out_of(name: str, callbacks: list[Any]) -> None:
    with _lock:
        found = [position for position, item in enumerate(callbacks) if is_mlflow(item)]
        # In place, last one first: LiteLLM and the user may hold the list itself.
        _taken.extend((name, position, callbacks.pop(position)) for position in reversed(found))
