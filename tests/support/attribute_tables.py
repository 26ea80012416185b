"""Writes the tables of span attributes into the documentation. Run it by hand after a change."""

from __future__ import annotations

from documents import ROOT, put_between, table, text

from mlflow_litellm._common import attributes
from mlflow_litellm._common.attributes import ATTRIBUTES

# The pages, and the spans whose attributes they list.
PAGES = {
    "docs/what-is-recorded.md": (attributes.CALL, attributes.STREAM, attributes.ANY),
    "docs/streaming.md": (attributes.STREAM,),
    "docs/litellm-proxy.md": (attributes.REQUEST, attributes.GUARDRAIL),
    "docs/what-is-traced.md": (attributes.TOOL,),
}
HEAD = ["attribute", "type", "unit", "source", "absent"]


def marks(spans: str) -> tuple[str, str]:
    """Return the marks above and below a table."""
    title = f"attributes of a {spans}"
    return f"<!-- {title}, made by tests/support/attribute_tables.py -->", f"<!-- end: {title} -->"


def table_of(spans: str, page: str) -> str:
    """Return the table of the attributes of some spans, with links from a page."""
    rows = [row for row in ATTRIBUTES.values() if row.spans == spans]
    cells = [[f"`{row.name}`", row.type, row.unit, row.source, row.absent] for row in rows]
    made = table(HEAD, cells).replace("|  |", "| |")
    return made.replace(f"({page.removeprefix('docs/')}#", "(#")


def is_current(spans: str, page: str) -> bool:
    """Return whether a page has the table of the attributes of some spans."""
    begin, end = marks(spans)
    return f"{begin}\n\n{table_of(spans, page)}\n\n{end}" in text(page)


if __name__ == "__main__":
    for page, lists in PAGES.items():
        for spans in lists:
            put_between(*marks(spans), table_of(spans, page), ROOT / page)
