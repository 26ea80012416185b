"""The bounds that this package keeps, checked against what was measured."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from bench.estimates import typical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.workers import Worker

# Of a long stream: its chunks, and its end.
CHUNKS = 1000
OURS = "ours"


def measure_stream(worker: Worker, times: int, seed: int) -> dict[str, Any]:
    """Return what a chunk of a long stream and its end take beyond LiteLLM's part."""
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(times):
        # The clock's own part is in both.
        off = worker.ask(what="chunks", size=CHUNKS, on=False)
        on = worker.ask(what="chunks", size=CHUNKS)
        for name in on:
            found[name].append(on[name] - off[name])
    return {name: typical(values, seed).rounded() for name, values in found.items()}


def check(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return each budget, with what was measured.

    One is missed where the whole interval is above its bound: what lies on both sides of it may be
    this machine's noise.
    """
    calls, stream = told["calls"]["held"], told["stream"]
    sync, async_ = calls["sync"], calls["async_"]
    return [
        _checked("sync call, against by hand", sync[OURS]["to_by_hand"], 1.15, "times"),
        _checked("async call, against by hand", async_[OURS]["to_by_hand"], 1.15, "times"),
        _checked("sync call, against MLflow's own", sync[OURS]["to_builtin"], 0.5, "times"),
        _checked("async call, against MLflow's own", async_[OURS]["to_builtin"], 1.0, "times"),
        _checked("each chunk of a stream", stream["chunk_us"], 3.0, "µs"),
        _checked("end of a stream of 1,000 chunks", stream["end_us"], 5000.0, "µs"),
        _checked("call, MLflow's tracing disabled", sync["disabled"]["thread"], 25.0, "µs"),
        _checked("call, sampled out", sync["sampled_out"]["thread"], 25.0, "µs"),
        _checked(
            "`import mlflow`, the package's entry point", told["startup"]["own_ms"], 1.0, "ms"
        ),
        _checked("`import mlflow`, with and without", told["startup"]["added_ms"], 1.0, "ms"),
        *_grown(told.get("growth", {})),
    ]


def _grown(growth: Mapping[str, Any]) -> list[dict[str, Any]]:
    from bench.growth import FACTOR, GROWTHS

    found = []
    for what, by_key in growth.items():
        factor = by_key[OURS]["factor"]
        told = {"value": factor, "low": factor, "high": factor}
        found.append(_checked(f"growth with {GROWTHS[what].title}", told, FACTOR, "times"))
    return found


def _checked(what: str, told: Mapping[str, float], bound: float, unit: str) -> dict[str, Any]:
    return {"what": what, "bound": bound, "unit": unit, **told, "ok": told["low"] <= bound}


def missed(budgets: list[dict[str, Any]]) -> list[str]:
    """Return a sentence for each budget that is not kept."""
    return [
        f"{each['what']}: {each['value']:g} {each['unit']} "
        f"({each['low']:g} to {each['high']:g}), at most {each['bound']:g}"
        for each in budgets
        if not each["ok"]
    ]
