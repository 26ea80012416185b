"""The bounds that this package keeps, checked against what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.direct import CALLS

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = "ours"


def check(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return each budget, with what was measured.

    One is missed where the whole interval is above its bound: what lies on both sides of it may be
    this machine's noise. Those that are known to be missed have a limit beside, so that it is seen
    where they grow; docs/performance.md tells why each is.
    """
    sync, async_ = (told["calls"]["against"][name][OURS] for name in ("sync", "async_"))
    stream = told["stream"]
    calls, acalls = (told["direct"][what] for what in CALLS)
    own, off, out = "against MLflow's own", "MLflow's tracing disabled", "sampled out"
    return [
        _checked("sync call, against by hand", calls[OURS]["to_by_hand"], 1.15, "times", 1.35),
        _checked("async call, against by hand", acalls[OURS]["to_by_hand"], 1.15, "times", 1.35),
        _checked(f"sync call, {own}", sync["to_builtin"], 0.5, "times", 1.5),
        _checked(f"async call, {own}", async_["to_builtin"], 1.0, "times"),
        _checked("each chunk of a stream", stream["chunk_us"], 3.0, "µs"),
        _checked("end of a stream of 1,000 chunks", stream["end_us"], 5000.0, "µs"),
        _checked(f"sync call, {off}", calls["disabled"]["added_us"], 25.0, "µs", 45.0),
        _checked(f"async call, {off}", acalls["disabled"]["added_us"], 25.0, "µs", 45.0),
        _checked(f"sync call, {out}", calls["sampled_out"]["added_us"], 25.0, "µs", 100.0),
        _checked(f"async call, {out}", acalls["sampled_out"]["added_us"], 25.0, "µs", 100.0),
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


def _checked(
    what: str,
    told: Mapping[str, float],
    bound: float,
    unit: str,
    limit: float | None = None,
) -> dict[str, Any]:
    known = {"what": what, "bound": bound, "unit": unit, "limit": limit or bound}
    return {**known, **told, "ok": told["low"] <= bound}


def missed(budgets: list[dict[str, Any]]) -> list[str]:
    """Return a sentence for each budget that is above its limit."""
    return [
        f"{each['what']}: {each['value']:g} {each['unit']} "
        f"({each['low']:g} to {each['high']:g}), at most {each['limit']:g}"
        for each in budgets
        if each["low"] > each["limit"]
    ]
