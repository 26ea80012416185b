"""Draws the spans of a trace as a tree, in lines that fit the width of a terminal."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow_litellm._cli.terminal import Segment
from mlflow_litellm._common import attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Span

GAP = "  "
# The columns of a text are at least this many, also in a narrow terminal.
MIN_WIDTH = 16


class Guides(NamedTuple):
    """The characters in front of a span: as a middle child, as the last one, and below those."""

    middle: str
    last: str
    below_middle: str
    below_last: str


BOXES = Guides("├─ ", "└─ ", "│  ", "   ")
ASCII = Guides("|- ", "`- ", "|  ", "   ")


class _Row(NamedTuple):
    """Texts at the left of a line, and numbers at its right end."""

    left: list[Segment]
    right: str = ""


def draw(spans: list[Span], labels: str, guides: Guides, width: int) -> Iterator[list[Segment]]:
    """
    Yield the lines of a trace.

    Args:
        spans: The trace's spans, as read from the store.
        labels: A text about the trace, for its root.
        guides: The characters that draw the tree.
        width: The number of columns.
    """
    spans = sorted(spans, key=lambda span: span.start_time_ns)
    for first, rest, span in _walk(spans, guides):
        indent = rest + _below(span, spans, guides)
        # The sums of the root. Those in MLflow's SQL store can lack spans: batches of spans may
        # arrive at the same moment as the trace itself.
        counted = spans if span.parent_id is None else [span]
        yield from _fitted(_head(span, counted), first, indent, width)
        rows = list(_body(span, counted))
        if span.parent_id is None:
            rows.append(_Row([Segment(labels, "dim")]))
        for row in rows:
            yield from _fitted(row, indent, indent, width)


def _walk(
    spans: list[Span], guides: Guides, parent: Span | None = None, indent: str = ""
) -> Iterator[tuple[str, str, Span]]:
    """Yield the characters in front of a span's first line and of its other lines, and the span."""
    children = [span for span in spans if span.parent_id == (parent and parent.span_id)]
    for child in children:
        is_last = child is children[-1]
        first = guides.last if is_last else guides.middle
        rest = guides.below_last if is_last else guides.below_middle
        first, rest = ("", "") if parent is None else (indent + first, indent + rest)
        yield first, rest, child
        yield from _walk(spans, guides, child, rest)


def _below(span: Span, spans: list[Span], guides: Guides) -> str:
    """Return the line from a span to its children, which passes the span's texts."""
    has_children = any(each.parent_id == span.span_id for each in spans)
    return guides.below_middle if has_children else guides.below_last


def _head(span: Span, counted: list[Span]) -> _Row:
    failed = span.status.status_code.value == "ERROR"
    left = [Segment(span.name, "bold red" if failed else "bold"), Segment(span.span_type, "cyan")]
    if model := _model(span):
        left.append(Segment(model, "magenta"))
    if isinstance(span.inputs, dict) and span.inputs.get("stream"):
        left.append(Segment("stream"))
    if failed:
        left.append(Segment("ERROR", "bold red"))
    milliseconds = ((span.end_time_ns or 0) - span.start_time_ns) / 1e6
    return _Row(left, f"{milliseconds:,.0f} ms{GAP}{_tokens(counted):>14}")


def _model(span: Span) -> str | None:
    """Return the requested model, as that is the deployment of an attempt."""
    model: str | None = span.get_attribute(attributes.MODEL)
    return model


def _tokens(spans: list[Span]) -> str:
    usages = [usage for span in spans if (usage := span.get_attribute(attributes.CHAT_USAGE))]
    sent, received = (
        sum(usage.get(key) or 0 for usage in usages) for key in ("input_tokens", "output_tokens")
    )
    # An embedding has no output tokens.
    return f"{sent:,} in, {received:,} out" if received else f"{sent:,} in" if sent else ""


def _body(span: Span, counted: list[Span]) -> Iterator[_Row]:
    costs = [each.llm_cost["total_cost"] for each in counted if each.llm_cost]
    cost = f"${sum(costs):.7f}" if costs else ""
    if description := span.status.description:
        yield _Row([Segment(_message(description), "red")], cost)
    elif (answer := _answer(span)) or cost:
        yield _Row([Segment(answer)], cost)


def _message(description: str) -> str:
    """Return an exception's text without its type, if LiteLLM's text begins with the type too."""
    kind, _, message = description.partition(": ")
    return message if kind in message else description


def _answer(span: Span) -> str:
    outputs: Any = span.outputs
    if dimension := span.get_attribute(attributes.EMBEDDING_DIMENSION):
        return f"a vector of {dimension:,} numbers"
    try:
        message = outputs["choices"][0]["message"]
    except (KeyError, IndexError, TypeError):
        return "" if outputs is None else str(outputs)
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    called = ", ".join(f"{call['name']}({call['arguments']})" for call in calls)
    return called or message.get("content") or ""


def _fitted(row: _Row, first: str, indent: str, width: int) -> Iterator[list[Segment]]:
    """
    Yield a row as lines.

    The numbers are at the right end of the last line, or on a line of their own if they do not fit.
    """
    guide = Segment(first, "dim")
    *lines, last = _wrapped(row.left, max(width - max(len(first), len(indent)), MIN_WIDTH))
    for line in lines:
        yield [guide, *line]
        guide = Segment(indent, "dim")
    free = width - len(guide.text) - sum(_cells(segment.text) for segment in last)
    right = row.right
    if len(GAP) + len(right) > free:
        # Without the spaces that align the numbers of several lines.
        right = GAP.join(filter(None, map(str.strip, right.split(GAP))))
    if right and len(GAP) + len(right) > free:
        yield [guide, *last]
        yield [Segment(indent, "dim"), Segment(right, "dim")]
    else:
        yield [guide, *last, Segment(right.rjust(free), "dim")]


def _wrapped(segments: list[Segment], width: int) -> list[list[Segment]]:
    """Return segments as lines of `width` columns, with gaps between the segments of a line."""
    lines: list[list[Segment]] = [[]]
    for text, style in segments:
        for piece in textwrap.wrap(text, width) or [""]:
            used = sum(_cells(each.text) for each in lines[-1])
            if lines[-1] and used + len(GAP) + _cells(piece) > width:
                lines.append([])
            elif lines[-1]:
                lines[-1].append(Segment(GAP))
            lines[-1].append(Segment(piece, style))
    return lines


def _cells(text: str) -> int:
    """Return the number of columns of a text: characters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)
