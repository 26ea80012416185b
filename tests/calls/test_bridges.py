"""LiteLLM makes some kinds of call through another: the trace has one span, of the outer kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from callers import AsyncCaller, user
from kinds import call, is_async, openai
from mlflow.entities import SpanStatusCode
from traces import ending

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span
    from traces import Traces

TOGETHER = "together_ai/mistralai/Mixtral-8x7B-Instruct-v0.1"
COUNTED = {"stream_options": {"include_usage": True}}


@dataclass(frozen=True)
class Bridge:
    """
    One kind of call, and a model that has no API for it.

    Attributes:
        name: The sync function of the pair.
        model: The model.
        said: Returns the argument with the text, by name and in its shape.
        holder: The object below ``litellm`` that has the function.
        path: The path of the request to the provider.
        streaming: The arguments for a stream, or the name of the function for streams.
        counts: Whether the stream reports the tokens.
    """

    name: str
    model: str
    said: Any
    path: str
    holder: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    streaming: Any = field(default_factory=lambda: {"stream": True})
    counts: bool = True

    def call(self, caller: Caller, text: str, *, stream: bool) -> Any:
        """Make the call."""
        name, given = self.name, {}
        if stream:
            named = isinstance(self.streaming, str)
            name, given = (self.streaming, {}) if named else (name, self.streaming)
        holder: Any = litellm
        for part in filter(None, self.holder.split(".")):
            holder = getattr(holder, part)
        known = {"model": self.model, **self.said(text), **self.arguments}
        return call(caller, name, holder, **openai(caller, **known, **given))

    def span_name(self, caller: Caller, *, stream: bool) -> str:
        """Return the name of the one span."""
        name = self.streaming if stream and isinstance(self.streaming, str) else self.name
        place = f"{self.holder}." if self.holder else ""
        return f"litellm-{place}{'a' if is_async(caller) else ''}{name}"


def _input(text: str) -> dict[str, Any]:
    return {"input": text}


def _messages(text: str) -> dict[str, Any]:
    return {"messages": user(text)}


def _contents(text: str) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def _prompt(text: str) -> dict[str, Any]:
    return {"prompt": text}


CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
LIMIT = {"max_tokens": 100}
BRIDGES = {
    "responses to chat": Bridge("responses", TOGETHER, _input, CHAT),
    "chat to responses": Bridge(
        "completion",
        "openai/responses/gpt-4o-mini",
        _messages,
        RESPONSES,
        streaming={"stream": True, **COUNTED},
    ),
    "messages to chat": Bridge(
        "create", TOGETHER, _messages, CHAT, holder="anthropic.messages", arguments=LIMIT
    ),
    "messages to responses": Bridge(
        "create",
        "openai/gpt-4o-mini",
        _messages,
        RESPONSES,
        holder="anthropic.messages",
        arguments=LIMIT,
    ),
    "content to chat": Bridge(
        "generate_content",
        "openai/gpt-4o-mini",
        _contents,
        CHAT,
        holder="google_genai",
        streaming="generate_content_stream",
        counts=False,
    ),
    "text to chat": Bridge(
        "text_completion",
        "openai/gpt-4o-mini",
        _prompt,
        CHAT,
        streaming={"stream": True, **COUNTED},
    ),
}


@pytest.fixture(params=BRIDGES.values(), ids=BRIDGES)
def bridge(request: pytest.FixtureRequest) -> Bridge:
    """Return each kind of call that LiteLLM makes through another."""
    return request.param


def read(caller: Caller, stream: Any, most: int | None = None) -> list[Any]:
    """Read a stream; LiteLLM returns async streams for some sync calls."""
    is_sync = hasattr(type(stream), "__next__")
    reader = caller if is_sync or is_async(caller) else AsyncCaller(caller.provider)
    return reader.read(stream, most)


def said(span: Span) -> str:
    """Return the text of the response that a span records, in any of the shapes."""
    outputs = span.outputs
    if "output" in outputs:
        return outputs["output"][0]["content"][0]["text"]
    if "content" in outputs:
        return outputs["content"][0]["text"]
    [choice] = outputs.get("choices") or outputs["candidates"]
    if "content" in choice:
        return choice["content"]["parts"][0]["text"]
    return choice["text"] if "text" in choice else choice["message"]["content"]


@pytest.mark.parametrize("stream", [False, True])
def test_bridged_call_is_one_span(
    stream: bool, bridge: Bridge, tracing: Traces, caller: Caller
) -> None:
    """The span has the outer kind, and its tokens are counted once."""
    result = bridge.call(caller, "one two", stream=stream)
    if stream:
        read(caller, result)
    assert caller.provider.requests[-1].path == bridge.path
    trace = tracing.one()
    [span] = trace.data.spans
    assert span.name == bridge.span_name(caller, stream=stream)
    assert span.span_type == "LLM"
    assert span.status.status_code == SpanStatusCode.OK
    assert said(span) == "You said: one two"
    # Since 1.110 LiteLLM asks the provider for the count.
    if bridge.counts or not stream or trace.info.token_usage:
        counted = {"input_tokens": 2, "output_tokens": 4, "total_tokens": 6}
        assert counted.items() <= trace.info.token_usage.items()
        assert span.attributes["mlflow.llm.cost"]["total_cost"] > 0


def test_bridged_cost_is_the_same_streamed_and_whole(
    bridge: Bridge, tracing: Traces, caller: Caller
) -> None:
    """The cost is the same if the stream reports its tokens."""
    bridge.call(caller, "one two", stream=False)
    read(caller, bridge.call(caller, "one two", stream=True))
    costs = [span.attributes.get("mlflow.llm.cost") for span in tracing.calls()]
    if bridge.counts or costs[1] is not None:
        assert costs[0]["total_cost"] == pytest.approx(costs[1]["total_cost"])


def test_bridged_call_that_fails_is_one_span(
    bridge: Bridge, tracing: Traces, caller: Caller
) -> None:
    """The exception is LiteLLM's own, and the one span has the error."""
    with pytest.raises(Exception, match="slow down"):
        bridge.call(caller, "/error 429 slow down", stream=False)
    assert tracing.span().status.status_code == SpanStatusCode.ERROR


def test_bridged_stream_that_is_left_is_one_span(
    bridge: Bridge, tracing: Traces, caller: Caller
) -> None:
    """A stream that is not read to its end leaves one span, which is marked as abandoned."""
    read(caller, bridge.call(caller, "/long 20", stream=True), most=2)
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
