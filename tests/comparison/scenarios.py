"""The calls that are made with each tracer, each scenario in a process of its own."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import litellm

# Held from before any tracer is switched on.
from litellm import completion as imported_before

from .values import HEADER, KEY, MANY, SESSION, TAG, TEMPERATURE, USER

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "openai/gpt-4o-mini"
Facts = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """
    Calls whose spans are checked.

    Args:
        make: Makes the calls, and returns facts that no span shows.
        spans: The number of spans of calls to wait for.
        nested: Whether a span of the caller is around them.
        loop_goes_on: Whether an event loop, if there was one, runs while spans are awaited.
    """

    make: Callable[[], Any]
    spans: int = 1
    nested: bool = False
    loop_goes_on: bool = True


SCENARIOS: dict[str, Scenario] = {}


def scenario(**settings: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Add a function to the table of scenarios, by its name."""

    def enter(make: Callable[[], Any]) -> Callable[[], Any]:
        SCENARIOS[make.__name__] = Scenario(make, **settings)
        return make

    return enter


def said(text: str, **kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a chat call that sends `text` to the provider."""
    known = {"model": MODEL, "api_base": os.environ["PROVIDER_OPENAI"], "api_key": KEY}
    return {**known, "messages": [{"role": "user", "content": text}], "max_retries": 0, **kwargs}


def _counted(usage: Any) -> Facts:
    cached = usage.prompt_tokens_details.cached_tokens
    return {"input": usage.prompt_tokens, "output": usage.completion_tokens, "cached": cached}


@scenario()
def sync() -> Facts:
    """Make one call, with all data that must be kept and all that must not be."""
    headers = {"Authorization": HEADER}
    arguments = said("hello", temperature=TEMPERATURE, extra_headers=headers)
    before = copy.deepcopy(arguments)
    litellm.completion(**arguments)
    return {"unchanged": arguments == before}


@scenario()
def cached() -> Facts:
    """Make a call that the provider's prompt cache serves in part."""
    response = litellm.completion(**said("/cached"))
    return _counted(response.usage) | {"cost": response._hidden_params["response_cost"]}


@scenario()
def told() -> None:
    """Make a call with user, session and tags."""
    metadata = {"tags": [TAG], "session_id": SESSION}
    litellm.completion(**said("hello", metadata=metadata, user=USER))


@scenario()
def positional() -> None:
    """Make a call with positional arguments."""
    arguments = said("hello")
    litellm.completion(arguments.pop("model"), arguments.pop("messages"), **arguments)


@scenario()
def early() -> None:
    """Call the function that was imported before."""
    imported_before(**said("hello"))


@scenario()
def failed() -> Facts:
    """Make a call that the provider refuses."""
    try:
        litellm.completion(**said("/error 429"))
    except litellm.RateLimitError as error:
        return {"raised": type(error).__name__}
    return {}


@scenario(loop_goes_on=False)
async def asyncio_run() -> None:
    """Make one call in a loop that ends with it."""
    await litellm.acompletion(**said("hello"))


@scenario(nested=True)
def nested_sync() -> None:
    """Make a call below a span of the caller's."""
    litellm.completion(**said("hello"))


@scenario(nested=True)
def nested_stream() -> None:
    """Read a stream below a span of the caller's."""
    list(litellm.completion(**said("hello", stream=True)))


@scenario(nested=True)
async def nested_async() -> None:
    """Make an async call below a span of the caller's."""
    await litellm.acompletion(**said("hello"))


@scenario(nested=True, spans=MANY)
async def gather() -> None:
    """Make many async calls at once below a span of the caller's."""
    await asyncio.gather(*(litellm.acompletion(**said(f"number {i}")) for i in range(MANY)))


@scenario()
def stream() -> Facts:
    """Read a stream to its end, with the provider's own count."""
    counted = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = litellm.completion(**said("/cached", **counted))
    kept = isinstance(chunks, litellm.CustomStreamWrapper)
    [*_, last] = chunks
    return _counted(last.usage) | {"kept": kept}


def _first(most: int, chunks: Any) -> None:
    for count, _chunk in enumerate(chunks, 1):
        if count == most:
            break


@scenario()
def stream_dropped() -> None:
    """Read three chunks of a stream, and drop it."""
    _first(3, litellm.completion(**said("/long 50", stream=True)))
    gc.collect()


HELD = []


@scenario()
def stream_held() -> None:
    """Read three chunks of a stream, and keep it."""
    HELD.append(litellm.completion(**said("/long 50", stream=True)))
    _first(3, HELD[0])


@scenario()
def stream_broken() -> Facts:
    """Read a stream that the provider ends with an error."""
    try:
        list(litellm.completion(**said("/event-error 2", stream=True)))
    except Exception as error:
        return {"raised": type(error).__name__}
    return {}


@scenario()
def stream_tools() -> None:
    """Read a stream of two tool calls, each in fragments."""
    list(litellm.completion(**said("/tools 2", stream=True)))


@scenario()
async def cancelled() -> None:
    """Cancel a call that waits for its response."""
    try:
        await asyncio.wait_for(litellm.acompletion(**said("/hold")), 1)
    except asyncio.TimeoutError:
        return


@scenario(spans=2)
async def router() -> None:
    """Make a Router fall back from a deployment that does not exist."""
    arguments = said("hello")
    messages = arguments.pop("messages")
    away = {**arguments, "api_base": arguments["api_base"] + "/nowhere"}
    models = [
        {"model_name": "away", "litellm_params": away},
        {"model_name": "there", "litellm_params": arguments},
    ]
    routed = litellm.Router(models, fallbacks=[{"away": ["there"]}], num_retries=0)
    await routed.acompletion("away", messages)


@scenario(spans=2)
def retries() -> None:
    """Make LiteLLM try a second time, after the provider's client has failed twice."""
    litellm.completion(**said(f"/flaky 2 {uuid.uuid4()}", num_retries=1))


@scenario()
def embedding() -> None:
    """Embed a text."""
    known = {"api_base": os.environ["PROVIDER_OPENAI"], "api_key": KEY}
    litellm.embedding("openai/text-embedding-3-small", ["hello"], **known)


@scenario()
def responses() -> None:
    """Call OpenAI's responses API."""
    known = {"api_base": os.environ["PROVIDER_OPENAI"], "api_key": KEY}
    litellm.responses(input="hello", model=MODEL, **known)


@scenario()
async def anthropic() -> None:
    """Call Anthropic's messages API."""
    arguments = said("hello", model="anthropic/claude-sonnet-4-5-20250929", max_tokens=50)
    arguments["api_base"] = os.environ["PROVIDER_ANTHROPIC"]
    del arguments["max_retries"]
    await litellm.anthropic.messages.acreate(**arguments)
