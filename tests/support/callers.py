"""Calls LiteLLM in the sync and the async way through one interface, so that a test does both."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from litellm.llms.custom_httpx import aiohttp_transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from provider import LoopbackProvider

MODEL = "openai/gpt-4o-mini"
# The first of these that this LiteLLM has a price for.
_CLAUDES = ("claude-sonnet-4-5-20250929", "claude-sonnet-4-20250514")
ANTHROPIC = f"anthropic/{next(name for name in _CLAUDES if name in litellm.model_cost)}"
# LiteLLM's exceptions for a provider's 500: the latter up to about 1.7x.
SERVER_ERROR = (litellm.InternalServerError, litellm.APIError)

# Versions of LiteLLM from about 1.7x to 1.9x take a broken async response for a complete one.
HIDES_BREAKS = "Transfer incomplete, but continuing" in inspect.getsource(aiohttp_transport)


def skip_hidden_break(caller: Caller) -> None:
    """Skip a test of a broken connection if LiteLLM hides the break."""
    if HIDES_BREAKS and isinstance(caller, AsyncCaller):
        pytest.skip("LiteLLM takes a broken answer for a whole one.")


# Older ones have Anthropic's messages for no other provider.
needs_all_messages = pytest.mark.skipif(
    inspect.iscoroutinefunction(litellm.anthropic.messages.create),
    reason="LiteLLM has these of Anthropic alone, and async",
)


def user(text: str) -> list[dict[str, Any]]:
    """Return the messages of one user turn."""
    return [{"role": "user", "content": text}]


class Caller:
    """Calls the loopback provider through LiteLLM."""

    span_name: str

    def __init__(self, provider: LoopbackProvider) -> None:
        self.provider = provider

    def arguments(self, text: str, **kwargs: Any) -> dict[str, Any]:
        """Return the arguments of a call that sends `text` to the provider."""
        kwargs.setdefault("model", MODEL)
        is_anthropic = kwargs["model"].startswith("anthropic/")
        base = self.provider.anthropic_base if is_anthropic else self.provider.openai_base
        known = {"api_base": base, "api_key": "sk-very-secret", "max_retries": 0}
        return {"messages": user(text), **known, **kwargs}

    def complete(self, text: str, **kwargs: Any) -> Any:
        """Make one call and return its result: a response, or an open stream."""
        raise NotImplementedError

    def read(self, stream: Any, most: int | None = None) -> list[Any]:
        """Read `most` chunks of a stream in a loop, or all, and return them."""
        raise NotImplementedError

    def next(self, stream: Any) -> Any:
        """Read one chunk outside a loop."""
        raise NotImplementedError

    def close(self, stream: Any) -> None:
        """Close a stream, if LiteLLM can: older versions cannot."""
        raise NotImplementedError

    def stream(self, text: str, **kwargs: Any) -> list[Any]:
        """Make one streaming call and return all of its chunks."""
        return self.read(self.complete(text, stream=True, **kwargs))


class SyncCaller(Caller):
    """Calls ``litellm.completion``."""

    span_name = "litellm-completion"

    def complete(self, text: str, **kwargs: Any) -> Any:
        return litellm.completion(**self.arguments(text, **kwargs))

    def read(self, stream: Any, most: int | None = None) -> list[Any]:
        chunks = []
        for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == most:
                break
        return chunks

    def next(self, stream: Any) -> Any:
        return next(stream)

    def close(self, stream: Any) -> None:
        if hasattr(stream, "close"):
            with closing(stream):
                pass


class AsyncCaller(Caller):
    """Calls ``litellm.acompletion``, on the event loop that all tests share with its workers."""

    span_name = "litellm-acompletion"
    _loop = asyncio.new_event_loop()

    @classmethod
    def stop(cls) -> None:
        """Stop the tasks that LiteLLM left on the loop, and the loop."""

        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        cls._loop.run_until_complete(end())
        cls._loop.close()

    def run(self, make: Callable[[], Any]) -> Any:
        """Await an awaitable on the loop, as user code does, and return its result."""

        async def main() -> Any:
            return await make()

        return self._loop.run_until_complete(main())

    def complete(self, text: str, **kwargs: Any) -> Any:
        return self.run(lambda: litellm.acompletion(**self.arguments(text, **kwargs)))

    def read(self, stream: Any, most: int | None = None) -> list[Any]:
        async def read() -> list[Any]:
            chunks = []
            async for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == most:
                    break
            return chunks

        return self.run(read)

    def next(self, stream: Any) -> Any:
        return self.run(stream.__anext__)

    def close(self, stream: Any) -> None:
        async def close() -> None:
            async with aclosing(stream):
                pass

        if hasattr(stream, "aclose"):
            self.run(close)
