"""Keeps what must not be under way at some moment, such as a write to a database, out of it."""

from __future__ import annotations

import threading


class ExportLock:
    """
    A gate that many may be inside of, and that can be closed once all of them have left.

    Is thread-safe. Nobody waits longer than a patience: then all goes on as if there were no gate.

    Args:
        patience: How long to wait to get in or for it to be empty, in seconds.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Open it, with nobody inside, whatever other threads were doing: they are gone."""
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
        """Let nobody in any more, and wait for those inside to leave."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._inside, self._patience)

    def open(self) -> None:
        """Let all in again."""
        with self._changed:
            self._is_closed = False
            self._changed.notify_all()
