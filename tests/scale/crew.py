"""Four processes that call LiteLLM at the same time."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from processes import AS_USERS_HAVE_IT, BESIDE, Process, until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROCESSES = 4
FULL = "Trace export queue is full"


class Worker(Process):
    """One process that makes calls when it is told to."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "scale.worker"]
        super().__init__(command, folder, {**AS_USERS_HAVE_IT, **environment, **BESIDE})
        self._heard = 0

    def order(self, order: Mapping[str, Any]) -> None:
        """Have it do something."""
        self.tell(json.dumps(order))

    def answer(self, seconds: float) -> dict[str, Any]:
        """Return what it answers next."""
        found = until(self._next, seconds, "an answer of a worker", every=0.1)
        self._heard += 1
        return found

    def _next(self) -> dict[str, Any] | None:
        # Whole lines alone: what stands behind the last one's end is still being written.
        *lines, _ = self.log.split("\n")
        told = [line for line in lines if line.startswith("{")]
        if self._heard < len(told):
            return json.loads(told[self._heard])
        if self.process.poll() is not None:
            raise RuntimeError(self.log[-4000:])
        return None


class Crew:
    """
    Workers with the same settings, which begin together.

    Args:
        folder: Where their logs go.
        environment: MLflow's settings.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.workers = [Worker(folder, environment) for _ in range(PROCESSES)]

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """Return what each answers to its last order; to the start, if there was none."""
        return [worker.parse_response(seconds) for worker in self.workers]

    def order(self, **order: Any) -> None:
        """Have each do the same."""
        for worker in self.workers:
            worker.order(order)

    @property
    def complained(self) -> int:
        """In how many of them MLflow said that its queue is full."""
        return sum(FULL in worker.log for worker in self.workers)

    def stop(self) -> None:
        """Stop each."""
        for worker in self.workers:
            worker.end()
        for worker in self.workers:
            worker.stop()
