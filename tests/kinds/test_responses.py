"""Responses: their spans, whole and streamed, sync and async."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from kinds import SECRET, call, is_async, openai
from litellm.responses import streaming_iterator
from mlflow.entities import SpanStatusCode
from traces import ending, exception_event

from mlflow_litellm._payloads.kinds.table import RESPONSES

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
SCENARIOS = ["plain words", "/tools 2", "/reason | so be it", "/refuse", "/cached"]


def respond(caller: Caller, text: str, **kwargs: Any) -> Any:
    """Make one call and return its result."""
    return call(caller, "responses", **openai(caller, input=text, **kwargs))


def said(span: Any) -> str:
    """Return the text of the only message in a span's outputs."""
    [message] = span.outputs["output"]
    return message["content"][0]["text"]


def test_response_is_one_llm_span(tracing: Traces, caller: Caller) -> None:
    """The span has OpenAI's format, with request, response, tokens, model and provider."""
    response = respond(caller, "hello", temperature=0.5, tools=[TOOL], instructions="Be brief.")
    span = tracing.span()
    assert isinstance(response, litellm.ResponsesAPIResponse)
    assert span.name == ("litellm-aresponses" if is_async(caller) else "litellm-responses")
    assert span.span_type == "LLM"
    assert span.attributes["mlflow.message.format"] == "openai"
    assert span.inputs == {
        "model": "openai/gpt-4o-mini",
        "input": "hello",
        "instructions": "Be brief.",
        "temperature": 0.5,
        "tools": [TOOL],
    }
    assert said(span) == "You said: hello"
    assert span.attributes["mlflow.llm.model"] == "gpt-4o-mini-2024-07-18"
    assert span.attributes["mlflow.llm.provider"] == "openai"
    assert span.attributes["finish_reasons"] == ["completed"]


def test_tools_are_shown_as_a_chats(tracing: Traces, caller: Caller) -> None:
    """MLflow's view needs the format of chat."""
    respond(caller, "hello", tools=[TOOL])
    [tool] = tracing.span().attributes["mlflow.chat.tools"]
    function = {"name": "get_weather", "parameters": {"type": "object"}}
    assert tool == {"type": "function", "function": function}


@pytest.mark.parametrize("text", SCENARIOS)
def test_streamed_response_is_recorded_like_an_unstreamed_one(
    text: str, tracing: Traces, caller: Caller
) -> None:
    """Texts, tool calls, reasoning, refusals, tokens and cost are the same."""
    respond(caller, text)
    caller.read(respond(caller, text, stream=True))
    whole, streamed = tracing.calls()
    assert streamed.outputs["output"] == whole.outputs["output"]
    assert streamed.outputs.keys() == whole.outputs.keys()
    for name in ("mlflow.chat.tokenUsage", "mlflow.llm.cost", "mlflow.llm.model"):
        assert streamed.attributes[name] == whole.attributes[name]
    assert ending(streamed) == ("finished", SpanStatusCode.OK)


def test_tokens_and_cost_are_litellms(tracing: Traces, caller: Caller) -> None:
    """The tokens of the trace and the cost of the span are LiteLLM's."""
    response = respond(caller, "one two three")
    trace = tracing.one()
    [span] = trace.data.spans
    assert trace.info.token_usage["total_tokens"] == response.usage.total_tokens
    cost = span.attributes["mlflow.llm.cost"]
    assert cost["total_cost"] == response._hidden_params["response_cost"] > 0
    assert cost["output_cost"] > 0


def test_stream_stays_what_litellm_made_it(tracing: Traces, caller: Caller) -> None:
    """``isinstance`` and every attribute are the same."""
    stream = respond(caller, "hello", stream=True)
    kind = "ResponsesAPIStreamingIterator" if is_async(caller) else ""
    kind = kind or "SyncResponsesAPIStreamingIterator"
    assert isinstance(stream, getattr(streaming_iterator, kind))
    assert stream.logging_obj is not None
    caller.close(stream)


def test_break_keeps_what_came(tracing: Traces, caller: Caller) -> None:
    """The events so far are recorded in the format of a whole response, without counts."""
    stream = respond(caller, "/long 20", stream=True)
    caller.read(stream, most=7)
    del stream
    span = tracing.span()
    assert ending(span) == ("abandoned", SpanStatusCode.OK)
    assert said(span) == "w0 w1 w2 "
    assert span.outputs["object"] == "response"
    assert "mlflow.chat.tokenUsage" not in span.attributes
    assert "mlflow.llm.cost" not in span.attributes


@pytest.mark.parametrize("most", [0, 1])
def test_dropped_stream_is_abandoned(most: int, tracing: Traces, caller: Caller) -> None:
    """A stream that is partly read, or never, is abandoned when it is dropped."""
    stream = respond(caller, "/long 20", stream=True)
    for _ in range(most):
        caller.next(stream)
    del stream
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
    assert tracing.span().outputs["output"] == []


@pytest.mark.parametrize("text", ["/break 3", "/event-error 3"])
def test_failure_in_mid_stream_is_an_error_with_what_came_before(
    text: str, tracing: Traces, caller: Caller
) -> None:
    """After a broken connection or an error event, the span has the text so far."""
    events: list[Any] = []
    stream = respond(caller, text, stream=True)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - LiteLLM's type differs by version.
        while True:
            events.append(caller.next(stream))
    span = tracing.span()
    # Some versions of LiteLLM end a stream without an error.
    if not isinstance(raised.value, (StopIteration, StopAsyncIteration)):
        assert ending(span) == ("failed", SpanStatusCode.ERROR)
        assert exception_event(span)["exception.type"] == type(raised.value).__name__
    received = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(received) == (said(span) if received else "")


@pytest.mark.parametrize("stream", [False, True])
def test_call_that_fails_is_an_error(stream: bool, tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own."""
    with pytest.raises(litellm.RateLimitError):
        respond(caller, "/error 429 slow down", stream=stream)
    assert tracing.span().status.status_code == SpanStatusCode.ERROR
    assert tracing.span().attributes["mlflow.llm.provider"] == "openai"


def test_secrets_are_not_recorded(tracing: Traces, caller: Caller) -> None:
    """The key, headers, cookies and the headers of an MCP server are absent."""
    server = {"type": "mcp", "server_url": "https://example.com", "headers": {"X-Key": "hush-1"}}
    known = {"extra_headers": {"X-Auth": "hush-2"}, "prompt": {"id": "p", "variables": {}}}
    respond(caller, "hello", tools=[server], **known)
    caller.read(respond(caller, "hello", stream=True))
    told = json.dumps([trace.to_dict() for trace in tracing.all()])
    assert not [secret for secret in (SECRET, "hush", "very-secret-cookie") if secret in told]


def test_pictures_are_attachments(tracing: Traces, caller: Caller) -> None:
    """The span has no base64 of an image."""
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(3000)).decode()
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{data}"}
    content = [{"type": "input_text", "text": "hello"}, picture]
    respond(caller, [{"role": "user", "content": content}])
    told = json.dumps(tracing.span().inputs)
    assert "mlflow-attachment://" in told
    assert data[:100] not in told


def test_cached_response_is_flagged_and_costs_nothing(
    tracing: Traces, caller: Caller, litellm_cache: None
) -> None:
    """LiteLLM returns the second response from its cache."""
    for _ in range(2):
        response = respond(caller, f"again {caller.span_name}", caching=True)
    if not response._hidden_params.get("cache_hit"):
        pytest.skip("This version of LiteLLM caches no responses.")
    first, second = tracing.calls()
    assert "cache_hit" not in first.attributes or first.attributes["cache_hit"] is False
    assert second.attributes["cache_hit"] is True
    assert second.attributes["mlflow.llm.cost"]["total_cost"] == 0


# Events without a call.


def merged(*events: dict[str, Any]) -> Any:
    """Return the accumulator of events."""
    accumulator = RESPONSES.accumulate({"model": "openai/gpt-4o-mini"}, None)
    for event in events:
        accumulator.add(event)
    return accumulator


def delta(kind: str, text: str, **place: Any) -> dict[str, Any]:
    """Return an event with a fragment of text."""
    return {"type": f"response.{kind}.delta", "output_index": 0, "delta": text, **place}


def test_text_without_an_item_is_joined() -> None:
    """Some bridges of LiteLLM's send no event for an item, and another id with each event."""
    events = [delta("output_text", text, item_id=text, content_index=0) for text in ("a", "b")]
    [item] = merged(*events).response().outputs["output"]
    assert item["type"] == "message"
    assert item["content"] == [{"type": "output_text", "text": "ab"}]


def test_calls_at_one_index_are_told_apart_by_their_ids() -> None:
    """Some bridges of LiteLLM's send several calls at one index."""
    calls = [delta("function_call_arguments", name, item_id=name) for name in "ABAB"]
    items = merged(*calls).response().outputs["output"]
    assert [item["arguments"] for item in items] == ["AA", "BB"]


def test_reasoning_is_no_content() -> None:
    """The time to the first content counts to the response's text."""
    thought = delta("reasoning_summary_text", "Hm.", summary_index=0)
    assert not merged(thought).has_content
    assert merged(thought, delta("output_text", "a", content_index=0)).has_content
    [item] = merged(thought).response().outputs["output"]
    assert item["summary"] == [{"type": "summary_text", "text": "Hm."}]


def test_incomplete_response_tells_why() -> None:
    """The finish reason is the reason in the response's details."""
    told = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    ended = {"type": "response.incomplete", "response": {"output": [], **told}}
    assert merged(ended).response().finish_reasons == ["max_output_tokens"]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "broken"},
        {
            "type": "response.failed",
            "response": {"error": {"code": "server_error", "message": "broken"}, "output": []},
        },
    ],
)
def test_error_event_is_an_error(event: dict[str, Any]) -> None:
    """An error event is an error even if LiteLLM raises nothing."""
    assert str(merged(event).error) == "server_error: broken"


def test_items_done_are_as_the_provider_says() -> None:
    """The provider's finished item replaces the fragments before it."""
    item = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "whole"}]}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    events = [delta("output_text", "par", item_id="m", content_index=0), done]
    assert merged(*events).response().outputs["output"][0]["content"] == item["content"]


def test_items_that_hold_pictures_are_media() -> None:
    """Screenshots of a computer and generated images are media."""
    screen = {"type": "computer_screenshot", "image_url": "https://example.com/a.png?token=hush"}
    items = [{"type": "computer_call_output", "call_id": "1", "output": screen}]
    told = RESPONSES.request({"input": items})
    assert told.has_media
    assert "hush" not in json.dumps(told.inputs)
    made = {"type": "image_generation_call", "result": "aGk="}
    assert RESPONSES.parse_response(
        {"output": [made], "object": "response"}, {"model": "m"}
    ).has_media
