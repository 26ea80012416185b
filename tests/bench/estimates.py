"""Medians and their 95 % bootstrap intervals."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESAMPLED = 2000
TAIL = 0.025


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval."""

    value: float
    low: float
    high: float

    def rounded(self) -> dict[str, float]:
        """Return the estimate as JSON types, rounded to three places."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def estimate(
    rows: Sequence[tuple[float, ...]], of: Callable[[list[float]], float], seed: int
) -> Estimate:
    """
    Return a figure computed from the columns' medians.

    Args:
        rows: One tuple for each round. The values of a round are drawn together, because the
            machine was the same for all of them.
        of: Computes the figure from the medians.
        seed: Makes the interval reproducible.
    """
    draw = random.Random(seed)
    again = sorted(of(medians(draw.choices(rows, k=len(rows)))) for _ in range(RESAMPLED))
    cut = round(RESAMPLED * TAIL)
    return Estimate(of(medians(rows)), again[cut], again[-1 - cut])


def typical(values: Sequence[float], seed: int) -> Estimate:
    """Return the median of some values."""
    return estimate([(value,) for value in values], lambda found: found[0], seed)


def ratio(pairs: Sequence[tuple[float, float]], seed: int) -> Estimate:
    """Return the ratio of two medians; each round has measured both values."""
    return estimate(pairs, _quotient, seed)


def medians(rows: Sequence[tuple[float, ...]]) -> list[float]:
    """Return the median of each column."""
    return [median(column) for column in zip(*rows, strict=True)]


def _quotient(found: list[float]) -> float:
    return found[0] / found[1] if found[1] else float("nan")
