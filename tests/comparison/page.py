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
FLAVORS_BEGIN = "<!-- flavors, made by tests/comparison -->"
BEGIN, END = "<!-- others, made by tests/comparison -->", "<!-- end -->"


# One table for the two flavors of MLflow, one for the tracers of others.
FLAVORS, OTHERS = TRACERS[:2], TRACERS[2:]
MARKS = {"yes": "✓", "no": "✗"}
# By row and tracer: ``yes``, ``no`` or a note.
Answers = dict[str, dict[str, str]]


def write(told: Mapping[str, Any], runs: Mapping[str, Mapping[str, Run]]) -> None:
    """Write the results between the page's marks."""
    found = answers(runs)
    put_between(FLAVORS_BEGIN, END, flavors(found), PAGE)
    made = "\n\n".join([others(found), settings(told), checks()])
    put_between(BEGIN, END, made, PAGE)


def answers(runs: Mapping[str, Mapping[str, Run]]) -> Answers:
    """Return the answer of each row for each tracer."""
    return {
        title: {tracer.key: check(runs[tracer.key]) for tracer in TRACERS}
        for title, check in ROWS.items()
    }


def flavors(found: Answers) -> str:
    """Return the table of this package and MLflow's own flavor."""
    body = [
        [title, *(MARKS.get(by_tracer[tracer.key], by_tracer[tracer.key]) for tracer in FLAVORS)]
        for title, by_tracer in found.items()
    ]
    return table(["", *(tracer.title for tracer in FLAVORS)], body)


def others(found: Answers) -> str:
    """Return the table of the other tracers, with numbers for notes, and the list of the notes."""
    notes: dict[str, str] = {}
    body = [
        [title, *(_numbered(by_tracer[tracer.key], notes) for tracer in OTHERS)]
        for title, by_tracer in found.items()
    ]
    made = table(["", *(tracer.title for tracer in OTHERS)], body)
    listed = "\n".join(f"{number}. {note}" for number, note in enumerate(notes, 1))
    return f"{made}\n\nThe numbers say:\n\n{listed}"


def _numbered(answer: str, notes: dict[str, str]) -> str:
    return MARKS.get(answer) or notes.setdefault(answer, f"({len(notes) + 1})")


def settings(told: Mapping[str, Any]) -> str:
    """Return versions and dates of the compared tracers, and how each was switched on and off."""
    rows = [
        [t.title, f"{t.package} {told[t.key]['version']}", told[t.key]["date"], t.setting]
        for t in TRACERS
    ]
    versions = ", ".join(sorted({each["litellm"] for each in told.values()}))
    made = table(["tracer", "version", "measured on", "on and off"], rows)
    return f"## What was compared\n\nWith LiteLLM {versions}.\n\n{made}"


def checks() -> str:
    """Return the check of each row."""
    rows = [[title, str(check.__doc__)] for title, check in ROWS.items()]
    return f"## How each row is checked\n\n{table(['row', '✓ says'], rows)}"
