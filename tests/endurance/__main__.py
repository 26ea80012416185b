"""
Makes the calls in a separate process: ``python -m endurance BASE CALLS SEED REPORT``.

MLflow has its defaults, except for its queues, which hold a round of calls. They are emptied
between rounds, so that every trace arrives.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import logging
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import litellm
import mlflow

import mlflow_litellm
from endurance.measure import ENDED, Footprint, alive, footprint, traces
from endurance.plan import Call, drawn, untraced
from endurance.play import Played, Player
from endurance.switch import Switch

# Calls, and as many streams. Fewer than the capacity of OpenTelemetry's queue.
ROUND = 250
AT_ONCE = 4
SETTLING_S = 30.0
ORIGINALS = {name: vars(litellm)[name] for name in ("completion", "acompletion")}


class Told(logging.Handler):
    """Keeps the messages of a logger."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Run:
    """All calls of a run, and the measurements."""

    def __init__(self, base: str, seed: int) -> None:
        self._player = Player(base)
        self._rng = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._pool = ThreadPoolExecutor(AT_ONCE, "caller")
        self.played: list[Played] = []
        self.changes: list[tuple[float, float, bool]] = []
        self.footprints: list[Footprint] = []
        self.restored = True

    def play(self, calls: list[Call]) -> None:
        """Make calls from threads and tasks, and wait for all of them."""
        threads = [self._pool.submit(self._player.sync, c) for c in calls if not c.is_async]
        self.played += self._loop.run_until_complete(self._tasks(calls))
        self.played += [future.result() for future in threads]

    async def _tasks(self, calls: list[Call]) -> list[Played]:
        free = asyncio.Semaphore(AT_ONCE)

        async def play(call: Call) -> Played:
            async with free:
                return await self._player.asynchronous(call)

        return await asyncio.gather(*(play(call) for call in calls if call.is_async))

    def round(self, count: int) -> None:
        """Make so many calls and streams while tracing is switched on and off, and measure."""
        with Switch(self._rng) as switch:
            self.play(drawn(self._rng, len(self.played), count))
        self.changes += switch.changes
        self.restored &= all(vars(litellm)[n] is found for n, found in ORIGINALS.items())
        self._renew_clients()
        self._settle()
        self.footprints.append(footprint())

    def _renew_clients(self) -> None:
        """Make LiteLLM create new HTTP clients, as dropped streams keep connections."""
        # After a hundred such connections, traced or not, calls get none.
        litellm.in_memory_llm_clients_cache.flush_cache()

    def _settle(self) -> None:
        """Wait for LiteLLM's threads and tasks after a call, and for exports."""
        end = time.monotonic() + SETTLING_S
        while True:
            self._loop.run_until_complete(asyncio.sleep(0.1))
            mlflow.flush_trace_async_logging()
            if not (alive(ENDED) or traces()) or time.monotonic() > end:
                return


def main(base: str, calls: int, seed: int, report: Path) -> None:
    """Make the calls, and write the results and measurements."""
    gc.disable()
    litellm.suppress_debug_info = True
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    logging.getLogger("mlflow_litellm").addHandler(told := Told())
    run = Run(base, seed)
    run.play(list(untraced()))
    gc.collect()
    gc.freeze()
    begun = time.monotonic()
    for done in range(0, calls, ROUND):
        run.round(min(ROUND, calls - done))
    report.write_text(json.dumps(_told(run, told.lines, time.monotonic() - begun)))


def _told(run: Run, lines: list[str], seconds: float) -> dict[str, Any]:
    return {
        "played": [dataclasses.asdict(played) for played in run.played],
        "changes": run.changes,
        "footprints": [dataclasses.asdict(found) for found in run.footprints],
        "restored": run.restored,
        "lines": lines,
        "health": dataclasses.asdict(mlflow_litellm.health()),
        "seconds": seconds,
    }


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
