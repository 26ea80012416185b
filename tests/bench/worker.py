"""
Makes calls with one way of tracing, on commands from standard input, and prints their times.

``python -m bench.worker VARIANT [--clocked]``: a line of JSON in, one out.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from mlflow.tracing.provider import provider
from opentelemetry.sdk.trace import TracerProvider

from bench.clock import Clock, pace
from bench.scenarios import SCENARIOS
from bench.sizes import GROWS
from bench.variants import VARIANTS

if TYPE_CHECKING:
    from bench.scenarios import Scenario
    from bench.variants import Variant

# Idle: less than this processor time in an interval, both in seconds; the most intervals.
IDLE_S, LET_ALONE_S, AT_MOST = 0.002, 0.05, 200


class Worker:
    """
    Plays scenarios with tracing on or off.

    Args:
        variant: How calls are traced.
        clocked: Whether a clock runs inside LiteLLM, below the tracer.
    """

    def __init__(self, variant: Variant, *, clocked: bool) -> None:
        self.variant = variant
        self.clock = Clock() if clocked else None
        self.loop = asyncio.new_event_loop()
        self.api = variant.on()
        self.is_enabled = True
        self.warm: set[tuple[str, bool]] = set()

    def switch(self, on: bool) -> Any:
        """Switch tracing on or off, and return the module through which calls are made."""
        import litellm

        if on and not self.is_enabled:
            self.api = self.variant.on()
        elif self.is_enabled and not on and self.variant.off:
            self.variant.off()
        self.is_enabled = on
        return self.api if on else litellm

    def play(self, scenario: Scenario, api: Any, times: int) -> tuple[int, int]:
        """Play a scenario this many times; return its wall-clock time and its processor time."""
        # Sync calls are made while no loop runs, as LiteLLM looks for one.
        if inspect.iscoroutinefunction(scenario.play):
            return self.loop.run_until_complete(_aplay(scenario, api, times))
        return _play(scenario, api, times)

    def burst(self, name: str, on: bool) -> dict[str, float]:
        """Return a call's times: of the caller's thread, of the process until the export."""
        scenario, api = SCENARIOS[name], self.switch(on)
        with scenario.around():
            if (name, on) not in self.warm:
                self.play(scenario, api, 1)
                self.warm.add((name, on))
            self.settle()
            began = time.process_time_ns()
            wall, thread = self.play(scenario, api, scenario.burst)
        self.settle()
        took = {"wall": wall, "thread": thread, "process": time.process_time_ns() - began}
        calls = scenario.burst * scenario.calls
        return {name: ns / calls / 1000 for name, ns in took.items()}

    def grown(self, what: str, size: int, on: bool = True) -> dict[str, float]:
        """Return the time of a call of a size beyond LiteLLM's part, at the usual pace."""
        assert self.clock
        api = self.switch(on)
        self.settle()
        before = pace()
        took = GROWS[what](self.clock, api, size)
        usual = (before + pace()) / 2
        self.settle()
        return {name: us * usual for name, us in took.items()}

    def settle(self) -> None:
        """Wait until all is exported and the process is idle; collect young garbage."""
        # The public flush waits for MLflow's idle threads, some seconds each time.
        if isinstance(traced := provider.get(), TracerProvider):
            traced.force_flush()
        for _ in range(AT_MOST):
            began = time.process_time()
            # LiteLLM logs in its own tasks, whose end cannot be observed.
            self.loop.run_until_complete(asyncio.sleep(LET_ALONE_S))
            if time.process_time() - began < IDLE_S:
                break
        # A full collection takes longer than most bursts.
        gc.collect(1)


def _clocks() -> tuple[int, int]:
    return time.perf_counter_ns(), time.thread_time_ns()


def _play(scenario: Scenario, api: Any, times: int) -> tuple[int, int]:
    began = _clocks()
    for _ in range(times):
        scenario.play(api)
    return _since(began)


async def _aplay(scenario: Scenario, api: Any, times: int) -> tuple[int, int]:
    began = _clocks()
    for _ in range(times):
        await scenario.play(api)
    return _since(began)


def _since(began: tuple[int, int]) -> tuple[int, int]:
    wall, thread = _clocks()
    return wall - began[0], thread - began[1]


def main(key: str, *flags: str) -> None:
    """Run the command of each line."""
    # Libraries print to standard output.
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import litellm
    import mlflow

    litellm.suppress_debug_info = True
    mlflow.set_experiment("bench")
    worker = Worker(VARIANTS[key], clocked="--clocked" in flags)
    told.write("ready\n")
    for line in sys.stdin:
        asked = json.loads(line)
        answer = worker.grown if "what" in asked else worker.burst
        told.write(json.dumps(answer(**asked)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
