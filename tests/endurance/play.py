"""Makes calls, sync and async, and ends their streams in every way."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import litellm

# Aliases, which the switch rebinds.
from litellm import acompletion, completion

if TYPE_CHECKING:
    from endurance.plan import Call


@dataclass
class Played:
    """
    The result of a call.

    Attributes:
        call: The call's plan.
        began: Start time, by ``time.monotonic()``.
        opened: Time at which it had returned a response or stream, or raised.
        text: The text that was read.
        error: Type and text of its exception, without the call's name.
    """

    call: Call
    began: float = 0.0
    opened: float = 0.0
    text: str = ""
    error: str = ""

    def raised(self, error: BaseException) -> None:
        """Record the exception."""
        self.opened = self.opened or time.monotonic()
        self.error = f"{type(error).__name__}: {error}".replace(self.call.name, "NAME")


class Player:
    """Calls the provider through LiteLLM."""

    def __init__(self, base: str) -> None:
        self._base = base

    def _arguments(self, call: Call) -> dict[str, Any]:
        mocked = {} if call.is_wired else {"mock_response": call.text}
        return {
            "model": "openai/gpt-4o-mini",
            "messages": [{"role": "user", "content": call.prompt}],
            "api_base": self._base,
            "api_key": "sk-secret",
            "max_retries": 0,
            "stream": call.is_stream,
            # The name by which the trace is found.
            "metadata": {"session_id": call.name},
            **mocked,
        }

    def sync(self, call: Call) -> Played:
        """Make one call, and return its result."""
        played = Played(call, began=time.monotonic())
        try:
            made = completion if call.is_alias else litellm.completion
            answer = made(**self._arguments(call))
            played.opened = time.monotonic()
            _read(call, answer, played)
        except Exception as error:
            played.raised(error)
        return played

    async def asynchronous(self, call: Call) -> Played:
        """Make one call in a task, which may be cancelled, and return its result."""
        played = Played(call)
        going = asyncio.Event()
        task = asyncio.create_task(self._in_task(call, played, going))
        if call.ending.startswith("cancelled"):
            await going.wait()
            # At any point of its execution, without waiting.
            await asyncio.sleep(call.after / 200)
            task.cancel()
        await task
        return played

    async def _in_task(self, call: Call, played: Played, going: asyncio.Event) -> None:
        played.began = time.monotonic()
        if not call.is_stream:
            going.set()
        try:
            made = acompletion if call.is_alias else litellm.acompletion
            answer = await made(**self._arguments(call))
            played.opened = time.monotonic()
            await _read_async(call, answer, played, going)
        except (Exception, asyncio.CancelledError) as error:
            played.raised(error)
        finally:
            going.set()


def _read(call: Call, answer: Any, played: Played) -> None:
    if not call.is_stream:
        played.text = answer.choices[0].message.content
        return
    # A loop that is left, or single reads, which are two ways to the end.
    is_loop = call.ending in {"break", "exhausted"}
    chunks = iter(answer) if is_loop else iter(lambda: next(answer), None)
    for chunk in itertools.islice(chunks, _wanted(call)):
        played.text += chunk.choices[0].delta.content or ""
    if call.ending == "closed" and (close := getattr(answer, "close", None)):
        close()
    _tie(call, answer)


async def _read_async(call: Call, answer: Any, played: Played, going: asyncio.Event) -> None:
    if not call.is_stream:
        played.text = answer.choices[0].message.content
        return
    wanted = _wanted(call)
    if wanted != 0:
        async for chunk in answer:
            played.text += chunk.choices[0].delta.content or ""
            going.set()
            wanted -= 1
            if not wanted:
                break
    if call.ending == "closed":
        await answer.aclose()
    _tie(call, answer)


def _wanted(call: Call) -> int:
    """Return the number of chunks to read, which is larger than the stream for a complete read."""
    if call.ending == "unread":
        return 0
    return call.after if call.ending in {"break", "closed", "cycle", "dropped"} else 10**6


def _tie(call: Call, stream: Any) -> None:
    """Make a stream refer to itself, so that only the garbage collector can delete it."""
    if call.ending == "cycle":
        cycle = [stream]
        cycle.append(cycle)
