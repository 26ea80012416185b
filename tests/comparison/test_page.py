"""The page *Comparison* has the rows, and the rows are right for spans made by hand."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from comparison.page import FLAVORS, OTHERS, PAGE, checks, flavors, others
from comparison.recorded import Run
from comparison.rows import ROWS
from comparison.tracers import TRACERS
from comparison.values import CALLER


def span(name: str = "call", **fields: Any) -> dict[str, Any]:
    """Return a span in the shape that adapters return."""
    empty = {"id": name, "parent": None, "status": "OK", "attributes": {}, "events": []}
    return {"name": name, **empty, **fields}


@pytest.mark.parametrize("title", ROWS)
def test_a_tracer_that_records_nothing_is_given_nothing(title: str) -> None:
    """No row says yes for a tracer that records nothing."""
    assert ROWS[title](defaultdict(Run)) in {"no", "nothing recorded", "no switch"}


def test_the_page_has_every_row_and_how_it_is_checked() -> None:
    """The table has exactly these rows and these tracers."""
    page = PAGE.read_text()
    assert checks() in page
    for title in ROWS:
        assert page.count(f"| {title} |") == 3
    for tracers in (FLAVORS, OTHERS):
        assert f"| {' | '.join(tracer.title for tracer in tracers)} |" in page


def test_notes_are_numbered_in_the_wide_table() -> None:
    """The table of MLflow's flavors has marks and notes, the other one marks and numbers."""
    notes = {"Cost": dict.fromkeys([tracer.key for tracer in TRACERS], "no figure")}
    found = {**notes, "Time": dict.fromkeys(notes["Cost"], "yes")}
    assert flavors(found).splitlines()[2:] == [
        "| Cost | no figure | no figure |", "| Time | ✓ | ✓ |"
    ]  # fmt: skip
    made = others(found)
    assert f"| Cost |{' (1) |' * len(OTHERS)}\n| Time |{' ✓ |' * len(OTHERS)}" in made
    assert made.endswith("1. no figure")


def test_a_half_found_value_is_named() -> None:
    """For a broken stream whose text is lost, the row names the error."""
    runs = defaultdict(Run, stream_broken=Run([span(status="ERROR")]))
    assert ROWS["Stream broken by the provider"](runs) == "error only"


def test_ten_siblings_are_ten_prompts() -> None:
    """Ten siblings below the caller's span count as ten prompts."""
    told = [span(str(i), parent=CALLER, attributes={"in": f"number {i}"}) for i in range(10)]
    row = ROWS["`gather` of ten: ten siblings"]
    assert row({"gather": Run([span(CALLER), *told])}) == "yes"
    assert row({"gather": Run([span(CALLER), *told[:4]])}) == "4 of 10"
    assert row({"gather": Run(told)}) == "no"


def test_a_cost_that_differs_is_told() -> None:
    """A cost that differs from LiteLLM's is reported; parts of a cost are no total."""
    row = ROWS["Cost"]

    def said(**attributes: Any) -> str:
        return row({"cached": Run([span(attributes=attributes)], {"cost": 0.5})})

    assert said(**{"llm.cost.total": 0.5, "llm.cost.prompt": 0.2}) == "yes"
    assert said(**{"response_cost": 0.5, "x.cost": {"total_cost": 0.7}}) == "two figures"
    assert said(**{"gen_ai.usage.cost": 0.7}) == "another figure"
    assert said(**{"llm.cost.prompt": 0.2}) == "no"


def test_a_leaked_header_is_told() -> None:
    """A leaked header is named."""
    leak = span(attributes={"headers": '{"Authorization": "bearer-that-nobody-may-see-4712"}'})
    row = ROWS["No `api_key`, no `extra_headers` in the spans"]
    assert row({"sync": Run([leak])}) == "header recorded"
