"""Draws the calls that are made: what each asks for, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

# What the provider says of each, ahead of the text; {0} is after how many pieces it happens.
SCRIPTS = {
    "refused": "/error 400",
    "broken": "/break {0}",
    "failed": "/event-error {0}",
    "cancelled": "/hold",
    "cancelled-stream": "/hold-after {0}",
}
RAISING = frozenset({"broken", "cancelled", "cancelled-stream", "failed", "refused"})
CALLS = ("answered",) * 8 + ("refused", "cancelled")
STREAMS = (
    ("exhausted",) * 5 + ("break", "closed", "cycle", "dropped", "unread") * 2
    + ("broken", "failed", "cancelled-stream")
)  # fmt: skip
# The others are answered by LiteLLM itself, as MLflow's store takes most of the time anyway.
WIRED = 0.25
PIECES = 8


@dataclass(frozen=True)
class Call:
    """
    One call of LiteLLM.

    Attributes:
        name: What it is found by in the store.
        ending: How it ends, such as ``"answered"`` or ``"dropped"``.
        is_async: Whether it is made in a task, and not in a thread.
        is_alias: Whether it is made by a name that was imported from ``litellm``.
        is_wired: Whether it reaches the provider.
        after: How many pieces come before a stream breaks, or is left.
    """

    name: str
    ending: str
    is_async: bool = False
    is_alias: bool = False
    is_wired: bool = True
    after: int = 1

    @property
    def is_stream(self) -> bool:
        """Whether the answer is read piece by piece."""
        return self.ending in STREAMS

    @property
    def text(self) -> str:
        """What the answer says."""
        return " ".join([self.name, *(f"w{number}" for number in range(1, PIECES))])

    @property
    def prompt(self) -> str:
        """What the provider is told."""
        return f"{SCRIPTS.get(self.ending, '/say').format(self.after)} | {self.text}"


def drawn(rng: random.Random, first: int, count: int) -> list[Call]:
    """Return as many calls as streams, in any order; the first is numbered `first`."""
    endings = [rng.choice(kind) for kind in (CALLS, STREAMS) for _ in range(count)]
    rng.shuffle(endings)
    return [_drawn(rng, f"n{first + n}", ending) for n, ending in enumerate(endings)]


def _drawn(rng: random.Random, name: str, ending: str) -> Call:
    return Call(
        name,
        ending,
        is_async=ending.startswith("cancelled") or rng.random() < 0.5,
        is_alias=rng.random() < 0.5,
        is_wired=ending in RAISING or rng.random() < WIRED,
        after=rng.randrange(1, 5),
    )


def untraced() -> Iterator[Call]:
    """Yield each call that raises, to be made before tracing is on: what it raises is right."""
    for ending in ("refused", "broken", "failed"):
        for after in range(1, 5):
            for is_async in (False, True):
                yield Call(f"u{ending}{after}{is_async}", ending, is_async=is_async, after=after)
