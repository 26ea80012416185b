"""Questions about the spans of one scenario, for any tracer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .values import CALLER

if TYPE_CHECKING:
    from collections.abc import Iterator

Span = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """The results of one scenario."""

    spans: list[Span] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def calls(self) -> list[Span]:
        """Return the spans that the tracer made."""
        return [span for span in self.spans if span["name"] != CALLER]

    @property
    def outermost(self) -> list[Span]:
        """Return the tracer's spans that have no parent among the tracer's spans."""
        ids = {span["id"] for span in self.calls}
        return [span for span in self.calls if span["parent"] not in ids]

    @property
    def below_caller(self) -> list[Span]:
        """Return the spans that are children of the caller's span."""
        callers = {span["id"] for span in self.spans if span["name"] == CALLER}
        return [span for span in self.calls if span["parent"] in callers]

    @property
    def text(self) -> str:
        """Return all records as text."""
        return text(self.spans)

    def failed(self) -> list[Span]:
        """Return the tracer's spans that have the status ERROR."""
        return [span for span in self.calls if span["status"] == "ERROR"]

    def numbers(self, word: str) -> list[tuple[str, float]]:
        """Return the numeric attributes with a word in their names."""
        pairs = (pair for span in self.spans for pair in _numbers(span["attributes"]))
        return [(name, number) for name, number in pairs if word in name.lower()]

    def has(self, word: str, number: float | None) -> bool:
        """Return whether an attribute with a word in its name has this number."""
        return number is not None and any(found == number for _, found in self.numbers(word))

    def owns(self, value: str) -> bool:
        """Return whether a value stands alone: as an attribute, one of its items, or a tag."""
        pairs = [pair for span in self.spans for pair in span["attributes"].items()]
        held = [held for _, held in pairs if not isinstance(held, dict)]
        items = [item for one in held if isinstance(one, list) for item in one]
        return value in [*held, *items, *(name for name, _ in pairs)]


def text(spans: Any) -> str:
    """Return the records as text, without the escapes of JSON within JSON."""
    return json.dumps(spans, ensure_ascii=False).replace("\\", "")


def _numbers(attributes: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers among attributes; also one level down, as MLflow stores its counts."""
    for name, value in attributes.items():
        inner = value.items() if isinstance(value, dict) else ()
        for key, number in [(name, value), *((f"{name}.{key}", found) for key, found in inner)]:
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                yield key, number
