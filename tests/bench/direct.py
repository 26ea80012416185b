"""The time that tracing adds to LiteLLM's part of a call, by the clock below the tracer."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from bench.estimates import ratio, typical

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from bench.workers import Worker

# The calls of one burst in one process; the chunks of a long stream.
BURST, CHUNKS = 20, 1000
# The keys of the worker's commands, with titles for readers.
CALLS = {"calls": "sync call", "acalls": "async call"}
BASE = "by_hand"
# The same without LiteLLM: MLflow's part of it.
BARE = {"disabled": "bare_disabled", "sampled_out": "bare"}


def measure_calls(
    workers: Mapping[str, Worker], times: int, draw: random.Random, seed: int
) -> dict[str, Any]:
    """Return the time that a sync and an async call take beyond LiteLLM's part, by variant."""
    found: dict[str, dict[str, list[float]]] = {what: defaultdict(list) for what in CALLS}
    for _ in range(times):
        for what in draw.sample(list(CALLS), k=len(CALLS)):
            for key in draw.sample(sorted(workers), k=len(workers)):
                found[what][key].append(_beyond(workers[key], what, BURST)["added_us"])
    return {
        what: {key: _told(key, by_key, seed) for key in by_key} for what, by_key in found.items()
    }


def _told(key: str, by_key: Mapping[str, list[float]], seed: int) -> dict[str, Any]:
    bases = {"to_by_hand": BASE, **({"to_bare": BARE[key]} if key in BARE else {})}
    ratios = {
        name: ratio(list(zip(by_key[key], by_key[base], strict=True)), seed).rounded()
        for name, base in bases.items()
    }
    return {"added_us": typical(by_key[key], seed).rounded(), **ratios}


def measure_stream(worker: Worker, times: int, seed: int) -> dict[str, Any]:
    """Return the time that a chunk and the end of a long stream take beyond LiteLLM's part."""
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(times):
        for name, added in _beyond(worker, "chunks", CHUNKS).items():
            found[name].append(added)
    return {name: typical(values, seed).rounded() for name, values in found.items()}


def _beyond(worker: Worker, what: str, size: int) -> dict[str, float]:
    # Both include the clock's own part.
    off = worker.ask(what=what, size=size, on=False)
    on = worker.ask(what=what, size=size)
    return {name: on[name] - off[name] for name in on}
