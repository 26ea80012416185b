"""The page *Performance* agrees with its figures, and the budgets are checked correctly."""

from __future__ import annotations

import json

import pytest

from bench.budgets import missed
from bench.estimates import ratio, typical
from bench.growth import FACTOR, GROWTHS, fit
from bench.page import FIGURES, PAGE, dump, marks, needed, tables

TOLD = json.loads(FIGURES.read_text())


@pytest.mark.parametrize("name", tables(TOLD))
def test_the_page_has_what_was_measured(name: str) -> None:
    """Each table on the page equals the table made from the figures."""
    begin, end = marks(name)
    _, _, rest = PAGE.read_text().partition(begin)
    assert rest.partition(end)[0].strip() == tables(TOLD)[name]


def test_the_figures_are_those_that_the_page_needs() -> None:
    """The stored figures have nothing but the figures of the tables and plots."""
    assert dump(needed(TOLD)) + "\n" == FIGURES.read_text()


def test_a_missed_budget_is_named() -> None:
    """A budget whose whole interval is above its limit is named."""
    figures = {"value": 4.0, "low": 3.5, "high": 5.0, "bound": 3.0, "unit": "µs"}
    budgets = [{"what": "chunk", "limit": 3.0, **figures}, {"what": "end", "limit": 3.6, **figures}]
    assert missed(budgets) == ["chunk: 4 µs (3.5 to 5), at most 3"]


def test_an_interval_is_around_its_figure_and_the_same_again() -> None:
    """The interval is wider if the rounds differ more, and the same for the same seed."""
    steady, loose = (typical([10 - by, 10, 10 + by, 10, 10 - by], seed=1) for by in (0.1, 5))
    assert steady == typical([9.9, 10, 10.1, 10, 9.9], seed=1)
    assert steady.low <= steady.value <= steady.high
    assert steady.high - steady.low < loose.high - loose.low


def test_a_ratio_is_of_what_one_round_measured() -> None:
    """A round in which everything is slower does not change the ratio."""
    found = ratio([(2.0, 1.0), (20.0, 10.0), (4.0, 2.0)], seed=1)
    assert (found.low, found.value, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(("power", "ok"), [(1.0, True), (2.0, False)])
def test_growth_that_is_worse_than_linear_is_told(power: float, ok: bool) -> None:
    """The cost of one more unit at the top shows a growth that is worse than linear."""
    growth = GROWTHS["messages"]
    found = fit(growth, [tuple(100 + size**power for size in growth.sizes)], seed=1)
    assert (found["factor"]["low"] <= FACTOR) == ok


def test_growth_that_is_not_flat_is_told() -> None:
    """A higher cost of each call among many calls is reported."""
    growth = GROWTHS["open_streams"]
    flat, steep = ([tuple(100 + by * size for size in growth.sizes)] for by in (0, 1))
    assert fit(growth, flat, seed=1)["factor"]["low"] == 1
    assert fit(growth, steep, seed=1)["factor"]["low"] > FACTOR
