"""Run work that may take minutes in a thread of its own; all callers wait for one attempt."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
# The time after a failure until another attempt may be made.
RETRY_AFTER_S = 30.0


class Attempt(threading.Thread, Generic[Result]):
    """
    One attempt, which begins at once.

    Args:
        name: The thread's name.
        work: The function to run. If it fails, it returns None or raises.

    Attributes:
        value: The result of `work`; None until it has returned, and if it failed.
        error: The exception that `work` raised, or None.
    """

    def __init__(self, name: str, work: Callable[[], Result | None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._started_at = time.monotonic()
        self._ended_at: float | None = None
        self._ended = threading.Event()
        self.value: Result | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self._work()
        except Exception as error:  # noqa: BLE001 - Those who wait read it.
            self.error = error
        finally:
            self._ended_at = time.monotonic()
            self._ended.set()

    @property
    def is_stale(self) -> bool:
        """Whether the attempt failed long enough ago for another one."""
        failed_at = None if self.value is not None else self._ended_at
        return failed_at is not None and time.monotonic() - failed_at > RETRY_AFTER_S

    def wait(self, seconds: float | None = None) -> Result | None:
        """Wait for the end, at most until `seconds` after the start; return `value`."""
        left = None if seconds is None else self._started_at + seconds - time.monotonic()
        self._ended.wait(None if left is None else max(0.0, left))
        return self.value
