"""Switches tracing on and off while calls are made, and collects garbage."""

from __future__ import annotations

import gc
import threading
import time
from typing import TYPE_CHECKING

import mlflow

if TYPE_CHECKING:
    import random


class Switch(threading.Thread):
    """
    Keeps tracing on for most of the time while the context is open, and off before and after it.

    Attributes:
        changes: Begin, end and new state of each switch.
    """

    def __init__(self, rng: random.Random) -> None:
        super().__init__(name="switch")
        self._rng = rng
        self._stopping = threading.Event()
        self.changes: list[tuple[float, float, bool]] = []

    def run(self) -> None:
        is_enabled = True
        # Longer on than off, and both shorter than the longest call.
        while not self._stopping.wait(self._rng.uniform(0.05, 0.8 if is_enabled else 0.2)):
            is_enabled = not is_enabled
            self._turn(on=is_enabled)
            if self._rng.random() < 0.2:
                # Automatically it may run in any thread: LiteLLM's HTTP client would deadlock.
                gc.collect()

    def _turn(self, *, on: bool) -> None:
        began = time.monotonic()
        mlflow.litellm.autolog(disable=not on)
        self.changes.append((began, time.monotonic(), on))

    def __enter__(self) -> Switch:
        self._turn(on=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join()
        self._turn(on=False)
