"""Reads the documentation's pages, which tests run, and writes measurements into them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """Return the paths of all pages, below the repository's root."""
    return ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]


def text(page: str) -> str:
    """Return a page's source."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Return a page's code blocks in a language, in their order."""
    return [code for found, code in _BLOCK.findall(text(page)) if found == language]


def put_between(begin: str, end: str, made: str, page: Path) -> None:
    """Replace the text between two marks of a page."""
    between = re.compile(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", re.DOTALL)
    page.write_text(between.sub(lambda _: f"\n\n{made}\n\n", page.read_text()))


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
