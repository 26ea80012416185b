"""Interactions: their spans, whole and streamed, sync and async."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from kinds import SECRET, call, is_async, without
from mlflow.entities import SpanStatusCode
from traces import ending

from mlflow_litellm._payloads.kinds.table import INTERACTIONS

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

pytestmark = pytest.mark.skipif(
    not hasattr(litellm, "interactions"), reason="LiteLLM has no interactions"
)

OK, ERROR = SpanStatusCode.OK, SpanStatusCode.ERROR
GEMINI = "gemini/gemini-2.5-flash"


def interact(caller: Caller, text: str = "hello there", **kwargs: Any) -> Any:
    """Make one interaction and return its result."""
    base = {"api_base": caller.provider.anthropic_base, "api_key": SECRET}
    return call(
        caller, "create", litellm.interactions, input=text, **{**base, "model": GEMINI, **kwargs}
    )


def test_interaction_is_one_llm_span(tracing: Traces, caller: Caller) -> None:
    """The span has request, response, tokens, cost, model and provider."""
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
    config = {"temperature": 0.5}
    response = interact(caller, tools=[tool], system_instruction="Brief.", generation_config=config)
    trace = tracing.one()
    [span] = trace.data.spans
    prefix = "a" if is_async(caller) else ""
    assert (span.name, span.span_type) == (f"litellm-interactions.{prefix}create", "LLM")
    assert span.inputs == {
        "model": GEMINI,
        "input": "hello there",
        "tools": [tool],
        "system_instruction": "Brief.",
        "generation_config": config,
    }
    function = {"name": "get_weather", "parameters": {"type": "object"}}
    assert span.attributes["mlflow.chat.tools"] == [{"type": "function", "function": function}]
    assert span.outputs["steps"] == response.steps
    assert span.outputs["steps"][0]["content"][0]["text"] == "You said: hello there"
    assert span.attributes["finish_reasons"] == ["completed"]
    assert span.attributes["mlflow.llm.model"] == "gemini-2.5-flash"
    assert span.attributes["mlflow.llm.provider"] == "gemini"
    used = {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}
    assert used.items() <= trace.info.token_usage.items()
    assert span.attributes["reasoning_tokens"] == 2
    cost = span.attributes["mlflow.llm.cost"]["total_cost"]
    assert cost == response._hidden_params["response_cost"] > 0
    assert SECRET not in trace.to_json()


def test_streamed_interaction_is_recorded_like_an_unstreamed_one(
    tracing: Traces, caller: Caller
) -> None:
    """Text, tokens and cost are the same."""
    interact(caller)
    caller.read(interact(caller, stream=True))
    whole, streamed = tracing.calls()
    assert streamed.outputs == whole.outputs
    for name in ("mlflow.chat.tokenUsage", "mlflow.llm.cost", "mlflow.llm.model"):
        assert streamed.attributes[name] == whole.attributes[name]
    assert ending(streamed) == ("finished", OK)


def test_break_keeps_what_came(tracing: Traces, caller: Caller) -> None:
    """The events so far are recorded in the format of a whole interaction, without counts."""
    stream = interact(caller, stream=True)
    caller.read(stream, most=4)
    del stream
    span = tracing.span()
    assert ending(span) == ("abandoned", OK)
    assert span.outputs["steps"][0]["content"] == [{"type": "text", "text": "You said:"}]
    assert "mlflow.chat.tokenUsage" not in span.attributes


@pytest.mark.parametrize("stream", [False, True])
def test_interaction_that_fails_is_an_error(stream: bool, tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own."""
    with pytest.raises(litellm.RateLimitError):
        interact(caller, "/error 429", stream=stream)
    assert tracing.span().status.status_code == ERROR


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_bridged_interaction_is_one_span(stream: bool, tracing: Traces, caller: Caller) -> None:
    """LiteLLM makes an inner call of Responses, and its stream reports no tokens."""
    given = {"model": "openai/gpt-4o-mini", "api_base": caller.provider.openai_base}
    result = interact(caller, stream=stream, **given)
    if stream:
        assert caller.read(result)
    span = tracing.span()
    assert span.name.startswith("litellm-interactions.")
    assert span.outputs["steps"][0]["content"][0]["text"] == "You said: hello there"
    assert span.attributes["mlflow.llm.provider"] == "openai"
    assert ("mlflow.chat.tokenUsage" in span.attributes) is not stream


# Events and requests without a call.


def merged(*events: dict[str, Any]) -> Any:
    """Return the accumulator of events."""
    accumulator = INTERACTIONS.accumulate({"model": GEMINI}, None)
    for event in events:
        accumulator.add(event)
    return accumulator


def delta(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    """Return an event with a fragment."""
    return {"event_type": "step.delta", "index": index, "delta": {"type": kind, **fields}}


def test_thoughts_are_no_content() -> None:
    """The time to the first content counts to the response's text."""
    thought = delta("thought_summary", content={"type": "text", "text": "Hm."})
    signed = delta("thought_signature", signature="sig==")
    assert not merged(thought, signed).has_content
    told = merged(thought, signed, delta("text", 1, text="a"))
    assert told.has_content
    first, second = told.response().outputs["steps"]
    assert first == {
        "signature": "sig==",
        "content": [{"type": "thought_summary", "content": {"type": "text", "text": "Hm."}}],
    }
    assert second == {"content": [{"type": "text", "text": "a"}]}


def test_fragments_of_a_call_are_joined() -> None:
    """The fragments are merged into the item that started with the call's name."""
    begin = {"type": "function_call", "id": "call_1", "name": "get_weather", "arguments": {}}
    pieces = [delta("arguments_delta", arguments=text) for text in ('{"loc', 'ation": "Paris"}')]
    events = ({"event_type": "step.start", "index": 0, "step": begin}, *pieces)
    [step] = merged(*events).response().outputs["steps"]
    assert step["arguments"] == '{"location": "Paris"}'
    assert without(step, "arguments") == without(begin, "arguments")


def test_error_event_is_an_error() -> None:
    """LiteLLM raises nothing for an error event."""
    event = {"event_type": "error", "error": {"code": "unavailable", "message": "broken"}}
    assert str(merged(event).error) == "unavailable: broken"
    assert merged("no event").response().outputs == {"steps": []}


def test_tools_tokens_are_part_of_the_prompt() -> None:
    """LiteLLM bills a tool's tokens as input."""
    usage = {"total_input_tokens": 5, "total_tool_use_tokens": 7, "total_output_tokens": 3}
    told = INTERACTIONS.parse_response({"steps": [], "usage": usage}, {"model": GEMINI})
    assert told.usage == {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}


def test_media_of_an_interaction_are_attachments() -> None:
    """Media of requests and responses become attachments; URLs lose their signatures."""
    picture = {"type": "image", "data": "A" * 4000, "mime_type": "image/png"}
    link = {"type": "image", "uri": "https://example.com/a.png?sig=hush", "mime_type": "image/png"}
    told = INTERACTIONS.request({"input": [{"type": "user_input", "content": [picture, link]}]})
    assert told.has_media
    assert told.inputs["input"][0]["content"][0]["data"].startswith("data:image/png;base64,")
    assert "hush" not in json.dumps(told.inputs)
    steps = [{"type": "model_output", "content": [picture]}]
    assert INTERACTIONS.parse_response({"steps": steps}, {"model": GEMINI}).has_media


def test_environment_is_recorded_without_secrets() -> None:
    """The environment lists the agent's permissions, and its secrets are redacted."""
    environment = {"type": "remote", "network": {"headers": {"X": "hush"}}}
    told = INTERACTIONS.request({"agent": "deep-research", "environment": environment})
    assert told.inputs["agent"] == "deep-research"
    assert "hush" not in json.dumps(told.inputs)
