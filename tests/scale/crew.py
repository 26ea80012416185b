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
    """One process that makes calls when it gets an order."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "scale.worker"]
        super().__init__(command, folder, {**AS_USERS_HAVE_IT, **environment, **BESIDE})
        self._heard = 0

    def order(self, order: Mapping[str, Any]) -> None:
        """Send an order to the process."""
        self.tell(json.dumps(order))

    def answer(self, seconds: float) -> dict[str, Any]:
        """Return the process's next response."""
        found = until(self._next, seconds, "an answer of a worker", every=0.1)
        self._heard += 1
        return found

    def _next(self) -> dict[str, Any] | None:
        # Read complete lines only, as the last line may not be complete yet.
        *lines, _ = self.log.split("\n")
        told = [line for line in lines if line.startswith("{")]
        if self._heard < len(told):
            return json.loads(told[self._heard])
        if self.process.poll() is not None:
            raise RuntimeError(self.log[-4000:])
        return None


class Crew:
    """
    Workers with the same settings, which begin at the same time.

    Args:
        folder: The folder for their logs.
        environment: MLflow's settings.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.workers = [Worker(folder, environment) for _ in range(PROCESSES)]

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """Return each worker's response to its last order, or to its start."""
        return [worker.parse_response(seconds) for worker in self.workers]

    def order(self, **order: Any) -> None:
        """Send the same order to each worker."""
        for worker in self.workers:
            worker.order(order)

    @property
    def complained(self) -> int:
        """Number of workers in which MLflow logged that its queue is full."""
        return sum(FULL in worker.log for worker in self.workers)

    def stop(self) -> None:
        """Stop each worker."""
        for worker in self.workers:
            worker.end()
        for worker in self.workers:
            worker.stop()
