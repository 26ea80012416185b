"""Writes the table, and how each row is checked, into the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .rows import ROWS
from .tracers import ROOT, TRACERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .recorded import Run

PAGE = Path(ROOT, "docs", "comparison.md")
BEGIN, END = "<!-- made by tests/comparison -->", "<!-- end -->"


def write(told: Mapping[str, Any], runs: Mapping[str, Mapping[str, Run]]) -> None:
    """Write what has been found between the page's marks."""
    made = "\n\n".join(["", table(runs), settings(told), checks(), ""])
    page = PAGE.read_text()
    between = re.compile(f"(?<={re.escape(BEGIN)}).*(?={re.escape(END)})", re.DOTALL)
    PAGE.write_text(between.sub(lambda _: made, page))


def table(runs: Mapping[str, Mapping[str, Run]]) -> str:
    """Return the table, a column a tracer."""
    head = line("", *(tracer.title for tracer in TRACERS))
    body = [
        line(title, *(check(runs[tracer.key]) for tracer in TRACERS))
        for title, check in ROWS.items()
    ]
    return "\n".join([head, line(*["---"] * (len(TRACERS) + 1)), *body])


def settings(told: Mapping[str, Any]) -> str:
    """Return what was compared: versions, dates, and how each was switched on and off."""
    rows = [
        line(t.title, f"{t.package} {told[t.key]['version']}", told[t.key]["date"], t.setting)
        for t in TRACERS
    ]
    versions = ", ".join(sorted({each["litellm"] for each in told.values()}))
    head = [line("tracer", "version", "asked on", "on and off"), line(*["---"] * 4)]
    return "\n".join([f"## What was compared\n\nWith LiteLLM {versions}.\n", *head, *rows])


def checks() -> str:
    """Return how each row is checked."""
    rows = [line(title, str(check.__doc__)) for title, check in ROWS.items()]
    head = ["## How each row is checked\n", line("row", "`yes` says"), line("---", "---")]
    return "\n".join([*head, *rows])


def line(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"
