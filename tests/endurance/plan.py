"""Draws the calls: the arguments of each, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

# Commands to the provider, before the text. {0} is the number of pieces before the event.
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
# LiteLLM itself mocks the other responses, as MLflow's store takes most of the time anyway.
WIRED = 0.25
PIECES = 8


@dataclass(frozen=True)
class Call:
    """
    One call of LiteLLM.

    Attributes:
        name: Its name in the store.
        ending: How it ends, such as ``"answered"`` or ``"dropped"``.
        is_async: Whether it is made in a task instead of a thread.
        is_alias: Whether it uses a name that was imported from ``litellm``.
        is_wired: Whether it reaches the provider.
        after: Number of pieces before a stream breaks, or is left.
    """

    name: str
    ending: str
    is_async: bool = False
    is_alias: bool = False
    is_wired: bool = True
    after: int = 1

    @property
    def is_stream(self) -> bool:
        """Whether the response is a stream."""
        return self.ending in STREAMS

    @property
    def text(self) -> str:
        """The text of the response."""
        return " ".join([self.name, *(f"w{number}" for number in range(1, PIECES))])

    @property
    def prompt(self) -> str:
        """The prompt, with the command to the provider."""
        return f"{SCRIPTS.get(self.ending, '/say').format(self.after)} | {self.text}"


def drawn(rng: random.Random, first: int, count: int) -> list[Call]:
    """Return this number of calls and of streams in any order, numbered from `first`."""
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
    """Yield each call that raises, to be made untraced for the expected exceptions."""
    for ending in ("refused", "broken", "failed"):
        for after in range(1, 5):
            for is_async in (False, True):
                yield Call(f"u{ending}{after}{is_async}", ending, is_async=is_async, after=after)
