"""The growth of the cost with messages, chunks, concurrent calls and open streams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.estimates import estimate, medians

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from bench.workers import Worker

# The allowed factor between the unit cost at the top and in the middle: caches, garbage collector.
FACTOR = 2.0
# A smaller time is the clock's own.
LEAST_US = 0.1
TRACED = ("ours", "by_hand")


@dataclass(frozen=True)
class Growth:
    """
    A quantity that grows, size by size.

    Args:
        title: Its name for readers.
        sizes: The sizes.
        middle: The size with which the last one is compared.
        unit: The unit of the figures.
        per_unit: Whether the cost of one more unit is measured, which is constant if growth is
            linear, and not the whole cost.
    """

    title: str
    sizes: tuple[int, ...]
    middle: int
    unit: str
    per_unit: bool = True

    def cost(self, size: int, added: Mapping[int, float]) -> float:
        """Return the cost of one more unit, or of each of this many, in µs."""
        if not self.per_unit:
            return added[size]
        first = self.sizes[0]
        return (added[size] - added[first]) / (size - first)

    def factor(self, added: Sequence[float]) -> float:
        """Return the ratio of the top's cost to the middle's, from the added time of each size."""
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
    """Return the added time by quantity and size, for this package and by hand."""
    # Work that only the first call does.
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
    Return the slope on a log-log scale, and the cost of a unit at the top and in the middle.

    Args:
        growth: The quantity that grew.
        rounds: The added time of each size, in µs, for each round.
        seed: Makes the factor's interval reproducible.
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
