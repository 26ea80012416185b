"""
The calls that are measured, each made through a module that has ``completion``.

LiteLLM itself makes the responses (``mock_response=``), so that no network is measured. It streams
such a response in chunks of three characters, and refuses to repeat a chunk.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "openai/gpt-4o-mini"
# A long conversation, which may slow down a caller.
MANY_MESSAGES, LONG = 100, "Tell me more about spans. " * 80
AT_ONCE = 50


@dataclass(frozen=True)
class Scenario:
    """
    The work between two readings of the clock.

    Args:
        title: Its name for readers.
        play: Makes the calls, through a module that has ``completion``.
        burst: How many times it is played.
        calls: How many calls one play makes.
        around: A context around the whole burst, outside the measured time.
    """

    title: str
    play: Callable[[Any], Any]
    burst: int
    calls: int = 1
    around: Callable[[], AbstractContextManager[Any]] = nullcontext


SCENARIOS: dict[str, Scenario] = {}


def scenario(title: str, burst: int, **settings: Any) -> Callable[[Any], Any]:
    """Add a function to the table of scenarios, by its name."""

    def enter(play: Any) -> Any:
        SCENARIOS[play.__name__] = Scenario(title, play, burst, **settings)
        return play

    return enter


def asked(**more: Any) -> dict[str, Any]:
    """Return the arguments of a call whose response LiteLLM makes itself."""
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": "What is a span?"}],
        "mock_response": "A span is one step of a trace.",
        **more,
    }


def streamed(chunks: int) -> dict[str, Any]:
    """Return the arguments of a stream with this many text chunks, and one chunk that ends it."""
    return asked(stream=True, mock_response="".join(f"{i % 1000:03d}" for i in range(chunks)))


def conversation(messages: int, content: str) -> list[dict[str, str]]:
    """Return this many messages, alternately from the user and the model."""
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i in range(messages)]


@contextlib.contextmanager
def below_a_span() -> Iterator[None]:
    """Open a span of the caller around the calls."""
    import mlflow

    with mlflow.start_span("caller"):
        yield


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Make LiteLLM keep responses in memory."""
    import litellm

    litellm.cache = litellm.Cache()
    try:
        yield
    finally:
        litellm.cache = None


@scenario("sync call", 20)
def sync(api: Any) -> None:
    """Make a call."""
    api.completion(**asked())


@scenario("async call", 20)
async def async_(api: Any) -> None:
    """Make an async call."""
    await api.acompletion(**asked())


@scenario("stream, 20 chunks", 5)
def stream_20(api: Any) -> None:
    """Read a stream."""
    for _ in api.completion(**streamed(20)):
        pass


@scenario("async stream, 20 chunks", 5)
async def async_stream_20(api: Any) -> None:
    """Read an async stream."""
    async for _ in await api.acompletion(**streamed(20)):
        pass


@scenario("stream, 1,000 chunks", 1)
def stream_1000(api: Any) -> None:
    """Read a long stream."""
    for _ in api.completion(**streamed(1000)):
        pass


@scenario("async stream, 1,000 chunks", 1)
async def async_stream_1000(api: Any) -> None:
    """Read a long async stream."""
    async for _ in await api.acompletion(**streamed(1000)):
        pass


@scenario("below a span", 10, around=below_a_span)
def nested(api: Any) -> None:
    """Make a call below the caller's span."""
    api.completion(**asked())


@scenario("100 messages of 2 kB", 5)
def long(api: Any) -> None:
    """Make a call with a long conversation."""
    api.completion(**asked(messages=conversation(MANY_MESSAGES, LONG)))


@scenario("50 async calls at once", 1, calls=AT_ONCE)
async def at_once(api: Any) -> None:
    """Make many async calls at once."""
    await asyncio.gather(*(api.acompletion(**asked()) for _ in range(AT_ONCE)))


@scenario("answered from cache", 10, around=cached)
def cache_hit(api: Any) -> None:
    """Make a call whose response LiteLLM has cached."""
    api.completion(**asked(caching=True))


@scenario("failed call", 10)
def error(api: Any) -> None:
    """Make a call that the provider refuses."""
    with contextlib.suppress(Exception):
        api.completion(**asked(mock_response=Exception("overloaded"), max_retries=0))
