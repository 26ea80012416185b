"""A lock that keeps some moments, such as a fork, free of database writes."""

from __future__ import annotations

import threading


class ExportLock:
    """
    A lock that many threads may hold at once, and that `close` takes once all have released it.

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
