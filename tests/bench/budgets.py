"""The bounds on the cost of tracing, checked against the measured figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.direct import CALLS
from bench.rounds import OF_CALLERS
from bench.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = "ours"


def check(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return each budget with its measured figure.

    A budget is missed if its whole interval is above the bound: an interval that contains the bound
    may be noise of this machine. Budgets that are missed or nearly missed also have a limit, so
    that a further growth is noticed; docs/performance.md explains why each is missed.
    """
    sync, async_ = (told["calls"]["against"][name][OURS] for name in ("sync", "async_"))
    stream = told["stream"]
    calls, acalls = (told["direct"][what] for what in CALLS)
    return [
        _checked("sync call, against by hand", calls[OURS]["to_by_hand"], 1.15, "times", 1.5),
        _checked("async call, against by hand", acalls[OURS]["to_by_hand"], 1.15, "times", 1.5),
        *_to_own("sync call", sync, 0.5, {"thread": 1.0, "wall": 1.5}),
        *_to_own("async call", async_, 1.0, {"thread": 1.5, "wall": 1.5}),
        _checked("each chunk of a stream", stream["chunk_us"], 3.0, "µs", 4.5),
        _checked("end of a stream of 1,000 chunks", stream["end_us"], 5000.0, "µs"),
        *_unseen("sync call", calls),
        *_unseen("async call", acalls),
        _checked(
            "`import mlflow`, the package's entry point", told["startup"]["own_ms"], 1.0, "ms"
        ),
        _checked("`import mlflow`, with and without", told["startup"]["added_ms"], 1.0, "ms"),
        *_grown(told.get("growth", {})),
    ]


def _to_own(
    title: str, figures: Mapping[str, Any], bound: float, limits: Mapping[str, float]
) -> list[dict[str, Any]]:
    return [
        _checked(
            f"{title}, against MLflow's own, {OF_CALLERS[clock]}", told, bound, "times",
            limits.get(clock),
        )
        for clock, told in figures["to_builtin"].items()
    ]  # fmt: skip


def _unseen(title: str, figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    # A busy machine reaches no such limit; the ratios come from one run and show growth.
    for key, limit in {"disabled": 100.0, "sampled_out": 250.0}.items():
        what = f"{title}, {VARIANTS[key].title}"
        found += [
            _checked(what, figures[key]["added_us"], 25.0, "µs", limit),
            _checked(f"{what}, against a bare span", figures[key]["to_bare"], 2.0, "times"),
        ]
    return found


def _grown(growth: Mapping[str, Any]) -> list[dict[str, Any]]:
    from bench.growth import FACTOR, GROWTHS

    found = []
    for what, by_key in growth.items():
        factor = by_key[OURS]["factor"]
        found.append(_checked(f"growth with {GROWTHS[what].title}", factor, FACTOR, "times"))
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
