"""Anthropic's messages: their spans, whole and streamed, for every target."""

from __future__ import annotations

import asyncio
import gc
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import ANTHROPIC, AsyncCaller, needs_all_messages, user
from kinds import SECRET, call, is_async, openai
from mlflow.entities import SpanStatusCode
from traces import ending, exception_event

from mlflow_litellm._payloads.kinds.table import ANTHROPIC_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callers import Caller
    from provider import LoopbackProvider
    from traces import Traces

TOOL = {"name": "get_weather", "input_schema": {"type": "object"}}
SCENARIOS = ["plain words", "/tools 2", "/reason | so be it", "/cached"]
# LiteLLM imports it to stream Anthropic's own events.
needs_redis = pytest.mark.skipif(find_spec("redis") is None, reason="needs redis")


@pytest.fixture(params=["anthropic_messages", "acreate"])
def ask(request: pytest.FixtureRequest, provider: LoopbackProvider) -> Iterator[Any]:
    """Call Anthropic's own API by either name; LiteLLM has it only async."""
    caller = AsyncCaller(provider)

    def ask(text: str, **kwargs: Any) -> Any:
        known = {"model": ANTHROPIC, "max_tokens": 100, "messages": user(text)}
        base = {"api_base": provider.anthropic_base, "api_key": SECRET}
        holder = litellm if request.param == "anthropic_messages" else litellm.anthropic.messages
        function = getattr(holder, request.param)
        return caller.run(lambda: function(**{**known, **base, **kwargs}))

    ask.read, ask.close = caller.read, caller.close
    ask.go_on = lambda: caller.run(lambda: asyncio.sleep(0))
    ask.span_name = f"litellm-{request.param}".replace("-ac", "-anthropic.messages.ac")
    return ask


def create(caller: Caller, text: str, **kwargs: Any) -> Any:
    """Call a model of OpenAI's by Anthropic's messages, which LiteLLM also has sync."""
    known = {"max_tokens": 100, "messages": user(text)}
    holder = litellm.anthropic.messages
    return call(caller, "create", holder, **openai(caller, **known, **kwargs))


def test_message_is_one_llm_span(tracing: Traces, ask: Any) -> None:
    """The span has Anthropic's format, with request, message, tokens, cost, model and provider."""
    response = ask("hello", system="Be brief.", tools=[TOOL])
    trace = tracing.one()
    [span] = trace.data.spans
    assert span.name == ask.span_name
    assert span.span_type == "LLM"
    assert span.attributes["mlflow.message.format"] == "anthropic"
    assert span.inputs == {
        "model": ANTHROPIC,
        "max_tokens": 100,
        "messages": user("hello"),
        "system": "Be brief.",
        "tools": [TOOL],
    }
    assert span.outputs == response
    assert span.attributes["finish_reasons"] == ["end_turn"]
    assert span.attributes["mlflow.llm.model"] == ANTHROPIC.partition("/")[2]
    assert span.attributes["mlflow.llm.provider"] == "anthropic"
    usage = response["usage"]
    assert trace.info.token_usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    [tool] = span.attributes["mlflow.chat.tools"]
    assert tool["function"] == {"name": "get_weather", "parameters": {"type": "object"}}


def test_cost_is_what_litellms_price_list_asks(tracing: Traces, ask: Any) -> None:
    """LiteLLM reports no cost with a message."""
    if ANTHROPIC.partition("/")[2] not in litellm.model_cost:
        pytest.skip("This version of LiteLLM has no price for the model.")
    usage = ask("/cached")["usage"]
    counted = litellm.Usage(
        prompt_tokens=104,
        completion_tokens=usage["output_tokens"],
        cache_read_input_tokens=80,
        cache_creation_input_tokens=4,
    )
    parts = litellm.cost_per_token(model=ANTHROPIC, usage_object=counted)
    cost = tracing.span().attributes["mlflow.llm.cost"]
    assert cost["total_cost"] == pytest.approx(sum(parts))
    assert (cost["input_cost"], cost["output_cost"]) == pytest.approx(parts)


@needs_redis
@pytest.mark.parametrize("text", SCENARIOS)
def test_streamed_message_is_recorded_like_an_unstreamed_one(
    text: str, tracing: Traces, ask: Any
) -> None:
    """Texts, tool calls, thinking with its signature, tokens and cost are the same."""
    ask(text)
    assert {type(chunk) for chunk in ask.read(ask(text, stream=True))} == {bytes}
    whole, streamed = tracing.calls()
    said = [{**span.outputs, "usage": dict(span.outputs["usage"])} for span in (streamed, whole)]
    for answer in said:
        # Some versions of LiteLLM add it only to whole responses.
        answer["usage"].pop("total_tokens", None)
    assert said[0] == said[1]
    for name in ("mlflow.chat.tokenUsage", "mlflow.llm.cost", "mlflow.llm.model"):
        assert streamed.attributes.get(name) == pytest.approx(whole.attributes.get(name))
    assert ending(streamed) == ("finished", SpanStatusCode.OK)


@needs_redis
def test_chunks_are_those_of_an_untraced_stream(traces: Traces, ask: Any) -> None:
    """A traced stream has the same bytes as an untraced one."""
    untraced = ask("one two", stream=True)
    said = b"".join(ask.read(untraced))
    mlflow.litellm.autolog()
    traced = ask("one two", stream=True)
    assert traced.__class__ is type(untraced)
    assert b"".join(ask.read(traced)) == said


@needs_redis
def test_break_keeps_what_came(tracing: Traces, ask: Any) -> None:
    """The events so far are recorded in the format of a whole message."""
    stream = ask("/long 200", stream=True)
    ask.read(stream, most=1)
    ask.close(stream)
    span = tracing.span()
    assert ending(span) == ("abandoned", SpanStatusCode.OK)
    assert span.outputs["role"] == "assistant"


@needs_redis
@pytest.mark.parametrize("closed", [False, True])
def test_unread_stream_is_abandoned(closed: bool, tracing: Traces, ask: Any) -> None:
    """The span ends on close, or at the latest with a garbage collection while the loop runs."""
    stream = ask("hello", stream=True)
    if closed:
        ask.close(stream)
    del stream
    for _ in range(100):
        if tracing.all():
            break
        ask.go_on()
        gc.collect()
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
    assert tracing.span().outputs["content"] == []


@needs_redis
@pytest.mark.parametrize("text", ["/break 3", "/event-error 3"])
def test_failure_in_mid_stream_is_an_error_with_what_came_before(
    text: str, tracing: Traces, ask: Any
) -> None:
    """LiteLLM passes an error event on, and makes one of a broken connection."""
    chunks: list[bytes] = []
    try:
        chunks += ask.read(ask(text, stream=True))
    except Exception as error:
        name = type(error).__name__
    else:
        name = "StreamError" if b"event: error" in b"".join(chunks) else None
    span = tracing.span()
    # Some versions of LiteLLM end the stream as if its connection had not broken.
    if name is not None:
        assert ending(span) == ("failed", SpanStatusCode.ERROR)
        assert exception_event(span)["exception.type"].endswith(name)


def test_call_that_fails_is_an_error(tracing: Traces, ask: Any) -> None:
    """The exception is LiteLLM's own."""
    with pytest.raises(Exception, match=r"429|slow down"):
        ask("/error 429 slow down")
    assert tracing.span().status.status_code == SpanStatusCode.ERROR


@needs_all_messages
@pytest.mark.parametrize("name", ["anthropic_messages_handler", "anthropic.messages.create"])
def test_sync_call_of_anthropics_own_api_is_litellms_error(
    name: str, tracing: Traces, provider: LoopbackProvider
) -> None:
    """LiteLLM has no sync call here, and the span has LiteLLM's error."""
    known = {"model": ANTHROPIC, "max_tokens": 9, "messages": user("hi"), "api_key": SECRET}
    function = litellm.anthropic_messages_handler
    if name.startswith("anthropic.messages"):
        function = litellm.anthropic.messages.create
    with pytest.raises(ValueError, match="not implemented for sync calls"):
        function(**known, api_base=provider.anthropic_base)
    assert tracing.span().name == f"litellm-{name}"
    assert exception_event(tracing.span())["exception.type"] == "ValueError"


@needs_all_messages
def test_other_models_are_called_sync_as_well(tracing: Traces, caller: Caller) -> None:
    """The trace has one span, of the messages' kind, with the inner call's tokens and cost."""
    response = create(caller, "hello")
    trace = tracing.one()
    [span] = trace.data.spans
    prefix = "litellm-anthropic.messages."
    assert span.name == prefix + ("acreate" if is_async(caller) else "create")
    assert span.outputs["content"] == [{"type": "text", "text": "You said: hello"}]
    assert trace.info.token_usage["output_tokens"] == response["usage"]["output_tokens"]
    assert span.attributes["mlflow.llm.cost"]["total_cost"] > 0
    assert span.attributes["mlflow.llm.provider"] == "openai"


@needs_redis
def test_secrets_are_not_recorded(tracing: Traces, ask: Any) -> None:
    """The key, headers, cookies and the token of an MCP server are absent."""
    server = {"type": "url", "url": "https://example.com", "authorization_token": "hush-1"}
    known = {"extra_headers": {"X-Auth": "hush-2"}}
    ask("hello", mcp_servers=[server], **known)
    ask.read(ask("hello", stream=True, **known))
    told = json.dumps([trace.to_dict() for trace in tracing.all()])
    assert not [secret for secret in (SECRET, "hush", "very-secret-cookie") if secret in told]


# Events without a call.


def event(**data: Any) -> bytes:
    """Return an event in Anthropic's format."""
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


STREAM = b"".join((
    event(type="message_start", message={"id": "m", "usage": {"input_tokens": 3}}),
    event(type="content_block_start", index=0, content_block={"type": "text", "text": ""}),
    event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "Zürich "}),
    event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "is nice"}),
    event(
        type="content_block_delta",
        index=0,
        delta={"type": "citations_delta", "citation": {"cited_text": "nice"}},
    ),
    event(type="content_block_stop", index=0),
    event(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2}),
    event(type="message_stop"),
))  # fmt: skip
MESSAGE = {
    "type": "message",
    "role": "assistant",
    "id": "m",
    "stop_reason": "end_turn",
    "content": [
        {"type": "text", "text": "Zürich is nice", "citations": [{"cited_text": "nice"}]},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


def merged(pieces: list[Any]) -> Any:
    """Return the accumulator of a stream's chunks."""
    accumulator = ANTHROPIC_MESSAGES.accumulate({"model": ANTHROPIC}, None)
    for piece in pieces:
        accumulator.add(piece)
    return accumulator


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_events_are_joined_wherever_they_are_cut(size: int) -> None:
    """A cut may be within a line or a character, or after several events."""
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert merged(pieces).response().outputs == MESSAGE


@pytest.mark.parametrize("kind", [bytes, str, dict])
def test_events_are_read_as_bytes_texts_and_dicts(kind: type) -> None:
    """LiteLLM's adapters return events of all three types."""
    events = STREAM.decode().split("\n\n")[:-1]
    read: dict[type, Any] = {
        bytes: lambda text: f"{text}\r\n\r\n".encode(),
        str: lambda text: f"{text}\n\n",
        dict: lambda text: json.loads(text.partition("data: ")[2]),
    }
    assert merged([read[kind](text) for text in events]).response().outputs == MESSAGE


def test_junk_among_the_events_costs_itself_alone() -> None:
    """Comments, broken data and values that are no events are ignored."""
    junk = [b": ping\n\n", b"data: {broken\n\n", b"data: [DONE]\n\n", None, 7, b"data: 5\n\n"]
    begin, end, rest = STREAM.partition(b"\n\n")
    assert merged([*junk, begin + end, *junk, rest, *junk]).response().outputs == MESSAGE


def test_tool_input_cut_short_stays_as_it_came() -> None:
    """An incomplete input is no JSON, and is recorded as text."""
    start = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    begun = event(type="content_block_start", index=0, content_block=start)
    fragment = {"type": "input_json_delta", "partial_json": '{"a": '}
    cut = [begun, event(type="content_block_delta", index=0, delta=fragment)]
    assert merged(cut).response().outputs["content"] == [{**start, "input": '{"a": '}]
    assert merged([begun]).response().outputs["content"] == [start]


def test_hidden_parameters_of_a_dict_are_used_and_not_recorded() -> None:
    """Some of LiteLLM's responses have the hidden parameters as a key."""
    hidden_params = {"response_cost": 0.5, "additional_headers": {"set-cookie": "hush"}}
    response = {"content": [], "usage": {"input_tokens": 1}, "_hidden_params": hidden_params}
    told = ANTHROPIC_MESSAGES.parse_response(response, {"model": ANTHROPIC})
    assert told.cost["total_cost"] == 0.5
    assert "hush" not in str(told)
