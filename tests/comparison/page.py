"""Writes the table, and the check of each row, into the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from documents import put_between, table

from .rows import ROWS
from .tracers import ROOT, TRACERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .recorded import Run

PAGE = Path(ROOT, "docs", "comparison.md")
BEGIN, END = "<!-- made by tests/comparison -->", "<!-- end -->"


def write(told: Mapping[str, Any], runs: Mapping[str, Mapping[str, Run]]) -> None:
    """Write the results between the page's marks."""
    made = "\n\n".join([findings(runs), settings(told), checks()])
    put_between(BEGIN, END, made, PAGE)


def findings(runs: Mapping[str, Mapping[str, Run]]) -> str:
    """Return the table, with one column per tracer."""
    body = [
        [title, *(check(runs[tracer.key]) for tracer in TRACERS)] for title, check in ROWS.items()
    ]
    return table(["", *(tracer.title for tracer in TRACERS)], body)


def settings(told: Mapping[str, Any]) -> str:
    """Return versions and dates of the compared tracers, and how each was switched on and off."""
    rows = [
        [t.title, f"{t.package} {told[t.key]['version']}", told[t.key]["date"], t.setting]
        for t in TRACERS
    ]
    versions = ", ".join(sorted({each["litellm"] for each in told.values()}))
    made = table(["tracer", "version", "asked on", "on and off"], rows)
    return f"## What was compared\n\nWith LiteLLM {versions}.\n\n{made}"


def checks() -> str:
    """Return the check of each row."""
    rows = [[title, str(check.__doc__)] for title, check in ROWS.items()]
    return f"## How each row is checked\n\n{table(['row', '`yes` says'], rows)}"
