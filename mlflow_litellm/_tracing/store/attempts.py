"""Run work that may take minutes in a thread of its own; all callers wait for one attempt."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Key = TypeVar("Key", bound=Hashable)
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
        self._process = os.getpid()
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
    def is_running(self) -> bool:
        """Whether the work goes on. In a forked child it does not: the child lacks the thread."""
        return self._ended_at is None and self._process == os.getpid()

    @property
    def is_stale(self) -> bool:
        """Whether another attempt may be made: this one failed some time ago, or before a fork."""
        if self.value is not None or self.is_running:
            return False
        failed_at = self._ended_at if self._process == os.getpid() else None
        return failed_at is None or time.monotonic() - failed_at > RETRY_AFTER_S

    def wait(self, seconds: float | None = None) -> Result | None:
        """Wait for the end, at most until `seconds` after the start; return `value`."""
        left = None if seconds is None else self._started_at + seconds - time.monotonic()
        self._ended.wait(None if left is None else max(0.0, left))
        return self.value


class Attempts(Generic[Key, Result]):
    """
    The latest attempt at each piece of work, which all threads of the process share.

    A lock guards the beginning of attempts. No thread needs it to find an attempt.

    Args:
        name: The name of the threads that do the work.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._latest: dict[Key, Attempt[Result]] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._latest)

    def latest(self, key: Key) -> Attempt[Result] | None:
        """Return the latest attempt at a piece of work, or None."""
        return self._latest.get(key)

    def begun(self, key: Key, work: Callable[[], Result | None]) -> Attempt[Result]:
        """Return the latest attempt; begin one if there is none, or if it is stale."""
        attempt = self._latest.get(key)
        if attempt is None or attempt.is_stale:
            with self._lock:
                attempt = self._latest.get(key)
                if attempt is None or attempt.is_stale:
                    attempt = self._latest[key] = Attempt(self._name, work)
        return attempt

    def hold(self) -> dict[Key, Attempt[Result]]:
        """Let no attempt begin until `release`; return the latest ones."""
        self._lock.acquire()
        return self._latest.copy()

    def release(self) -> None:
        """Let attempts begin again."""
        self._lock.release()
