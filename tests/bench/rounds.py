"""The time of a call for each way of tracing: rounds in random order, one process at a time."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from bench.estimates import ratio, typical

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from bench.workers import Worker

Burst = dict[str, float]
# The added time of each round, by scenario and variant.
Added = dict[str, dict[str, list[Burst]]]
LEAST = 3
# Processor time of the caller's thread, wall-clock time, and the processor time of the whole
# process until all is exported.
CLOCKS = ("thread", "wall", "process")
# Titles of the clocks that a caller notices. They differ if callbacks work in other threads and
# keep the caller waiting for the interpreter.
OF_CALLERS = {"thread": "processor time of its thread", "wall": "by the clock"}
COMPARED = ("by_hand", "builtin")


def measure(
    workers: Mapping[str, Worker], scenarios: Sequence[str], seconds: float, draw: random.Random
) -> Added:
    """
    Return the added time of each variant in each round, for some seconds and a minimum of rounds.

    A variant that can be switched off is compared with its own process without tracing, any other
    with the process that does not trace: two processes always differ by some percent.
    """
    found: Added = defaultdict(lambda: defaultdict(list))
    end, rounds = time.monotonic() + seconds, 0
    while rounds < LEAST or time.monotonic() < end:
        for name in draw.sample(scenarios, k=len(scenarios)):
            for key, added in _round(workers, name, draw).items():
                found[name][key].append(added)
        rounds += 1
    return found


def _round(workers: Mapping[str, Worker], name: str, draw: random.Random) -> dict[str, Burst]:
    on: dict[str, Burst] = {}
    off: dict[str, Burst] = {}
    for key in draw.sample(sorted(workers), k=len(workers)):
        worker = workers[key]
        if worker.variant.off:
            off[key] = worker.ask(name=name, on=False)
        on[key] = worker.ask(name=name, on=True)
    nothing = on["nothing"]
    return {
        key: _difference(burst, off.get(key, nothing))
        for key, burst in on.items()
        if key != "nothing"
    } | {"nothing": nothing}


def _difference(burst: Burst, without: Burst) -> Burst:
    return {clock: burst[clock] - without[clock] for clock in CLOCKS}


def told(added: Added, seed: int) -> dict[str, Any]:
    """Return the medians by scenario and variant, and the ratios to two of the variants."""
    return {
        name: {key: _told(bursts, by_key, seed) for key, bursts in by_key.items()}
        for name, by_key in added.items()
    }


def _told(bursts: list[Burst], by_key: Mapping[str, list[Burst]], seed: int) -> dict[str, Any]:
    figures: dict[str, Any] = {
        each: typical([burst[each] for burst in bursts], seed).rounded() for each in CLOCKS
    }
    for base in COMPARED:
        if base in by_key:
            figures[f"to_{base}"] = {
                clock: _ratio(bursts, by_key[base], clock, seed) for clock in OF_CALLERS
            }
    return {**figures, "rounds": len(bursts)}


def _ratio(bursts: list[Burst], others: list[Burst], clock: str, seed: int) -> dict[str, float]:
    pairs = [(a[clock], b[clock]) for a, b in zip(bursts, others, strict=True)]
    return ratio(pairs, seed).rounded()
