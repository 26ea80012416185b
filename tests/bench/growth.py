"""How the cost grows with messages, chunks, concurrent calls and open streams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from bench.workers import Worker

# A unit may cost so many times what it costs in the middle: caches and the garbage collector.
FACTOR = 2.0
# Less than that is the clock's own.
LEAST_US = 0.1
TRACED = ("ours", "by_hand")


@dataclass(frozen=True)
class Growth:
    """
    What is made larger, step by step.

    Args:
        title: Names it to readers.
        sizes: The steps.
        middle: The step that the last is compared with.
        unit: What the figures are of.
        per_unit: Whether what one more adds is looked at, and not the whole: it is linear then.
    """

    title: str
    sizes: tuple[int, ...]
    middle: int
    unit: str
    per_unit: bool = True

    def cost(self, size: int, added: Mapping[int, float]) -> float:
        """Return what one more adds, or what each does among so many, in us."""
        if not self.per_unit:
            return added[size]
        first = self.sizes[0]
        return (added[size] - added[first]) / (size - first)


GROWTHS = {
    "messages": Growth("messages in a call", (1, 10, 100, 1000), 100, "call"),
    "chunks": Growth("chunks of a stream", (1, 20, 200, 1000, 5000), 200, "stream"),
    "at_once": Growth("async calls at once", (1, 10, 50, 200), 10, "call", per_unit=False),
    "open_streams": Growth("open streams", (1, 10, 100, 1000), 10, "stream", per_unit=False),
}


def measure(workers: Mapping[str, Worker], rounds: int, draw: random.Random) -> dict[str, Any]:
    """Return what was added by each size of each, by this package and by hand."""
    # What is made at the first time only.
    for worker in workers.values():
        for what, growth in GROWTHS.items():
            worker.ask(what=what, size=growth.sizes[0])
    return {what: _grown(what, workers, rounds, draw) for what in GROWTHS}


def _grown(
    what: str, workers: Mapping[str, Worker], rounds: int, draw: random.Random
) -> dict[str, Any]:
    growth = GROWTHS[what]
    told: dict[str, dict[int, list[float]]] = {
        key: {size: [] for size in growth.sizes} for key in workers
    }
    for _ in range(rounds):
        for size in draw.sample(growth.sizes, k=len(growth.sizes)):
            for key in draw.sample(sorted(workers), k=len(workers)):
                told[key][size].append(workers[key].ask(what=what, size=size)["added_us"])
    return {key: fit(growth, {n: median(each) for n, each in by.items()})
            for key, by in told.items()}  # fmt: skip


def fit(growth: Growth, added: Mapping[int, float]) -> dict[str, Any]:
    """Return the slope in double logarithmic scale, and what a unit costs at top and in middle."""
    top, middle = (growth.cost(size, added) for size in (growth.sizes[-1], growth.middle))
    factor = top / max(middle, LEAST_US)
    return {
        "added_us": {str(size): round(us, 3) for size, us in added.items()},
        "slope": round(slope(added), 3),
        "middle_us": round(middle, 3),
        "top_us": round(top, 3),
        "factor": round(factor, 3),
        "ok": factor <= FACTOR,
    }


def slope(added: Mapping[int, float]) -> float:
    """Return the least squares slope of the logarithms: 1 is linear, 0 is flat."""
    points = [(math.log(size), math.log(us)) for size, us in added.items() if us > 0]
    x, y = (sum(column) / len(points) for column in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
