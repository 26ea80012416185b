"""Quantities that grow: each function makes calls of a size, and returns the tracer's time."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.scenarios import asked, conversation, streamed

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.clock import Clock

Took = dict[str, float]
TEXT = "What is a span, and what is it for? " * 6
REPEATED = 5
END = object()

GROWS: dict[str, Callable[[Clock, Any, int], Took]] = {}


def grows(play: Callable[[Clock, Any, int], Took]) -> Callable[[Clock, Any, int], Took]:
    """Add a function to the table of growing quantities, by its name."""
    GROWS[play.__name__] = play
    return play


@grows
def calls(clock: Clock, api: Any, size: int) -> Took:
    """Make this many calls; return the time of one."""
    each = [clock.beyond(api.completion, **asked())[0] for _ in range(size)]
    return {"added_us": median(each) / 1000}


@grows
def acalls(clock: Clock, api: Any, size: int) -> Took:
    """Make this many async calls, one after the other; return the time of one."""

    async def in_turn() -> list[int]:
        each = []
        for _ in range(size):
            clock.inside.clear()
            took = await clock.abeyond(api.acompletion, **asked())
            each.append(took - sum(clock.inside))
        return each

    return {"added_us": median(asyncio.run(in_turn())) / 1000}


@grows
def messages(clock: Clock, api: Any, size: int) -> Took:
    """Make some calls with this many messages of 200 characters; return the time of one."""
    arguments = asked(messages=conversation(size, TEXT))
    each = [clock.beyond(api.completion, **arguments)[0] for _ in range(REPEATED)]
    return {"added_us": median(each) / 1000}


@grows
def chunks(clock: Clock, api: Any, size: int) -> Took:
    """Read a stream of this many chunks; return the time of one in the middle, and of the end."""
    opening, stream = clock.beyond(api.completion, **streamed(size))
    reading, each = iter(stream), []
    while True:
        took, chunk = clock.beyond(next, reading, END)
        each.append(took)
        if chunk is END:
            break
    # The first call creates objects that the others use.
    middle = each[1:-1] or each[:1]
    return {
        "added_us": (opening + sum(each)) / 1000,
        "chunk_us": median(middle) / 1000,
        "end_us": each[-1] / 1000,
    }


@grows
def at_once(clock: Clock, api: Any, size: int) -> Took:
    """Make this many async calls at once; return the time of one."""

    async def gathered() -> int:
        calls = (clock.abeyond(api.acompletion, **asked()) for _ in range(size))
        return sum(await asyncio.gather(*calls))

    clock.inside.clear()
    whole = asyncio.run(gathered())
    return {"added_us": (whole - sum(clock.inside)) / size / 1000}


@grows
def open_streams(clock: Clock, api: Any, size: int) -> Took:
    """Read a stream of one chunk, while this many others are open."""
    held = [_opened(api) for _ in range(size)]
    each = [clock.beyond(_read, api)[0] for _ in range(REPEATED)]
    held.clear()
    return {"added_us": median(each) / 1000}


def _opened(api: Any) -> Any:
    stream = iter(api.completion(**streamed(2)))
    next(stream)
    return stream


def _read(api: Any) -> None:
    for _ in api.completion(**streamed(1)):
        pass
