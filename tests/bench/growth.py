"""How the cost grows with messages, chunks, concurrent calls and open streams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.estimates import estimate, medians

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

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

    def factor(self, added: Sequence[float]) -> float:
        """Return how many times the middle's cost the top's is, from what each size added."""
        of = dict(zip(self.sizes, added, strict=True))
        return self.cost(self.sizes[-1], of) / max(self.cost(self.middle, of), LEAST_US)


GROWTHS = {
    "messages": Growth("messages in a call", (1, 10, 100, 300, 1000), 300, "call"),
    "chunks": Growth("chunks of a stream", (1, 20, 200, 1000, 5000), 200, "stream"),
    "at_once": Growth("async calls at once", (1, 10, 50, 200), 10, "call", per_unit=False),
    "open_streams": Growth("open streams", (1, 10, 100, 1000), 10, "stream", per_unit=False),
}


def measure(
    workers: Mapping[str, Worker], rounds: int, draw: random.Random, seed: int
) -> dict[str, Any]:
    """Return what was added by each size of each, by this package and by hand."""
    # What is made at the first time only.
    for worker in workers.values():
        for what, growth in GROWTHS.items():
            worker.ask(what=what, size=growth.sizes[0])
    told = {}
    for what, growth in GROWTHS.items():
        found = [_round(what, workers, draw) for _ in range(rounds)]
        told[what] = {key: fit(growth, [added[key] for added in found], seed) for key in workers}
    return told


def _round(
    what: str, workers: Mapping[str, Worker], draw: random.Random
) -> dict[str, tuple[float, ...]]:
    sizes = GROWTHS[what].sizes
    added: dict[str, dict[int, float]] = {key: {} for key in workers}
    for size in draw.sample(sizes, k=len(sizes)):
        for key in draw.sample(sorted(workers), k=len(workers)):
            added[key][size] = workers[key].ask(what=what, size=size)["added_us"]
    return {key: tuple(of[size] for size in sizes) for key, of in added.items()}


def fit(growth: Growth, rounds: Sequence[tuple[float, ...]], seed: int) -> dict[str, Any]:
    """
    Return the slope in double logarithmic scale, and what a unit costs at top and in middle.

    Args:
        growth: What was made larger.
        rounds: What each size added, in us, for each round.
        seed: Makes the factor's interval the same again.
    """
    added = dict(zip(growth.sizes, medians(rounds), strict=True))
    factor = estimate(rounds, growth.factor, seed)
    return {
        "added_us": {str(size): round(us, 3) for size, us in added.items()},
        "slope": round(slope(added), 3),
        "middle_us": round(growth.cost(growth.middle, added), 3),
        "top_us": round(growth.cost(growth.sizes[-1], added), 3),
        "factor": factor.rounded(),
    }


def slope(added: Mapping[int, float]) -> float:
    """Return the least squares slope of the logarithms: 1 is linear, 0 is flat."""
    points = [(math.log(size), math.log(us)) for size, us in added.items() if us > 0]
    x, y = (sum(column) / len(points) for column in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
