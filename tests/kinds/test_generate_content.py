"""Gemini's own calls: their spans, whole and streamed, sync and async."""

from __future__ import annotations

import base64
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from kinds import SECRET, call, is_async
from litellm.google_genai import streaming_iterator
from mlflow.entities import SpanStatusCode
from traces import ending, exception_event

from mlflow_litellm._payloads.kinds.table import GENERATE_CONTENT

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

MODEL = "gemini/gemini-2.5-flash"
DECLARED = {"name": "get_weather", "parameters": {"type": "object"}}
SCENARIOS = ["plain words", "/tools 2", "/reason | so be it", "/cached"]


def contents(text: str) -> list[dict[str, Any]]:
    """Return the contents of a single turn of the user."""
    return [{"role": "user", "parts": [{"text": text}]}]


def generate(caller: Caller, text: str, *, stream: bool = False, **kwargs: Any) -> Any:
    """Make one call and return its result."""
    if stream and is_async(caller) and find_spec("redis") is None:
        pytest.skip("needs redis, which LiteLLM imports at the end of such a stream")
    known = {"model": MODEL, "contents": contents(text), "api_key": SECRET}
    base = {"api_base": f"{caller.provider.anthropic_base}/v1beta"}
    name = "generate_content_stream" if stream else "generate_content"
    return call(caller, name, litellm.google_genai, **{**known, **base, **kwargs})


def parts(span: Any) -> list[dict[str, Any]]:
    """Return the parts of the only candidate in a span's outputs."""
    [candidate] = span.outputs["candidates"]
    return candidate["content"]["parts"]


def test_content_is_one_llm_span(tracing: Traces, caller: Caller) -> None:
    """The span has Gemini's format, with request, response, tokens, cost, model and provider."""
    config = {"temperature": 0.5, "system_instruction": "Be brief."}
    response = generate(caller, "hello", config=config)
    trace = tracing.one()
    [span] = trace.data.spans
    name = "agenerate_content" if is_async(caller) else "generate_content"
    assert span.name == f"litellm-google_genai.{name}"
    assert span.span_type == "LLM"
    assert span.attributes["mlflow.message.format"] == "gemini"
    assert span.inputs == {"model": MODEL, "contents": contents("hello"), "config": config}
    assert parts(span) == [{"text": "You said: hello"}]
    assert span.attributes["finish_reasons"] == ["STOP"]
    assert span.attributes["mlflow.llm.model"] == "gemini-2.5-flash"
    assert span.attributes["mlflow.llm.provider"] == "gemini"
    assert trace.info.token_usage["total_tokens"] == response.usageMetadata["totalTokenCount"]
    cost = span.attributes["mlflow.llm.cost"]
    assert cost["total_cost"] == response._hidden_params["response_cost"] > 0
    assert cost["output_cost"] > 0


def test_litellms_own_name_of_it_is_a_door_too(tracing: Traces, caller: Caller) -> None:
    """``litellm.agenerate_content`` is the only one of these functions with a second name."""
    if not is_async(caller):
        pytest.skip("LiteLLM has it async alone.")
    base = f"{caller.provider.anthropic_base}/v1beta"
    known = {"model": MODEL, "contents": contents("hello"), "api_key": SECRET, "api_base": base}
    caller.run(lambda: litellm.agenerate_content(**known))
    assert tracing.span().name == "litellm-agenerate_content"


@pytest.mark.parametrize("text", SCENARIOS)
def test_streamed_content_is_recorded_like_an_unstreamed_one(
    text: str, tracing: Traces, caller: Caller
) -> None:
    """Texts, function calls, thoughts, tokens and cost are the same."""
    generate(caller, text)
    assert {type(chunk) for chunk in caller.read(generate(caller, text, stream=True))} == {bytes}
    whole, streamed = tracing.calls()
    assert streamed.outputs == whole.outputs
    assert (
        streamed.attributes["mlflow.chat.tokenUsage"] == whole.attributes["mlflow.chat.tokenUsage"]
    )
    costs = [span.attributes["mlflow.llm.cost"]["total_cost"] for span in (whole, streamed)]
    assert costs[0] == pytest.approx(costs[1])
    assert ending(streamed) == ("finished", SpanStatusCode.OK)


def test_stream_stays_what_litellm_made_it(tracing: Traces, caller: Caller) -> None:
    """A traced stream is an instance of LiteLLM's class."""
    prefix = "Async" if is_async(caller) else ""
    kind = getattr(streaming_iterator, f"{prefix}GoogleGenAIGenerateContentStreamingIterator")
    stream = generate(caller, "hello", stream=True)
    assert isinstance(stream, kind)
    caller.read(stream, most=1)
    del stream
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)


def test_break_keeps_what_came(tracing: Traces, caller: Caller) -> None:
    """The chunks so far are recorded in the format of a whole response."""
    caller.read(generate(caller, "/long 20", stream=True), most=3)
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
    assert parts(tracing.span()) == [{"text": "w0 w1 w2 "}]


def test_broken_stream_is_an_error_with_what_came_before(tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own."""
    stream = generate(caller, "/break 3", stream=True)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - LiteLLM's type differs by version.
        caller.read(stream)
    assert ending(tracing.span()) == ("failed", SpanStatusCode.ERROR)
    assert exception_event(tracing.span())["exception.type"] == type(raised.value).__name__


def test_error_event_is_an_error_with_what_came_before(tracing: Traces, caller: Caller) -> None:
    """LiteLLM passes the event on, and raises nothing."""
    chunks = caller.read(generate(caller, "/event-error 3 broken", stream=True))
    assert b"broken" in chunks[-1]
    span = tracing.span()
    assert ending(span) == ("failed", SpanStatusCode.ERROR)
    assert exception_event(span)["exception.message"] == "INTERNAL: broken"
    assert parts(span) == [{"text": "w0 w1 w2 "}]


@pytest.mark.parametrize("stream", [False, True])
def test_call_that_fails_is_an_error(stream: bool, tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own."""
    with pytest.raises(litellm.RateLimitError):
        generate(caller, "/error 429 slow down", stream=stream)
    assert tracing.span().status.status_code == SpanStatusCode.ERROR


def test_secrets_are_not_recorded(tracing: Traces, caller: Caller) -> None:
    """Keys, headers, cookies and secrets in the configuration are absent."""
    config = {"http_options": {"headers": {"X-Key": "hush-1"}}}
    generate(caller, "hello", config=config, extra_headers={"X-Auth": "hush-2"})
    caller.read(generate(caller, "hello", stream=True))
    told = json.dumps([trace.to_dict() for trace in tracing.all()])
    assert not [secret for secret in (SECRET, "hush", "very-secret-cookie") if secret in told]


def test_tools_are_shown_as_a_chats(tracing: Traces, caller: Caller) -> None:
    """MLflow's view needs the format of chat; Google's own tools are recorded by name."""
    tools = [{"functionDeclarations": [DECLARED]}, {"googleSearch": {}}]
    generate(caller, "hello", tools=tools)
    span = tracing.span()
    assert span.inputs["tools"] == tools
    assert [tool["function"] for tool in span.attributes["mlflow.chat.tools"]] == [
        DECLARED,
        {"name": "googleSearch"},
    ]


def test_pictures_are_attachments(tracing: Traces, caller: Caller) -> None:
    """The span has no base64 of an image."""
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(3000)).decode()
    [turn] = contents("hello")
    picture = {"inlineData": {"mimeType": "image/png", "data": data}}
    generate(caller, "", contents=[{**turn, "parts": [*turn["parts"], picture]}])
    told = json.dumps(tracing.span().inputs)
    assert "mlflow-attachment://" in told
    assert data[:100] not in told


# Requests and responses without a call.


@pytest.mark.parametrize("said", ["hello", ["hello"], {"parts": [{"text": "hello"}]}])
def test_contents_of_any_shape_are_recorded(said: Any) -> None:
    """The contents may be a text, a list of texts or a turn."""
    told = GENERATE_CONTENT.request({"model": MODEL, "contents": said})
    assert told.inputs["contents"] == said
    assert not told.has_media


def test_configuration_keeps_its_schemas_and_tools() -> None:
    """Fields of a schema may have the name of a secret."""
    schema = {"properties": {"password": {"type": "string"}}}
    tools = [{"function_declarations": [{"name": "f", "parameters": schema}]}]
    config = {"response_schema": schema, "tools": tools, "api_key": "hush"}
    told = GENERATE_CONTENT.request({"model": MODEL, "contents": "x", "config": config})
    assert told.inputs["config"] == {**config, "api_key": "[REDACTED]"}
    assert told.tools == [
        {"type": "function", "function": {"name": "f", "parameters": schema}},
    ]


def merged(*pieces: Any) -> Any:
    """Return the accumulator of a stream's chunks."""
    accumulator = GENERATE_CONTENT.accumulate({"model": MODEL}, None)
    for piece in pieces:
        accumulator.add(piece)
    return accumulator


def piece(*said: dict[str, Any], index: int = 0, **more: Any) -> dict[str, Any]:
    """Return a chunk of a stream."""
    return {"candidates": [{"index": index, "content": {"parts": list(said)}, **more}]}


def test_candidates_are_kept_apart() -> None:
    """The candidates are separate and in order."""
    pieces = [piece({"text": text}, index=index) for index, text in ((1, "b"), (0, "a"), (1, "c"))]
    first, second = merged(*pieces).response().outputs["candidates"]
    assert first["content"]["parts"] == [{"text": "a"}]
    assert second["content"]["parts"] == [{"text": "bc"}]


def test_thoughts_are_kept_apart_from_the_answer() -> None:
    """Signatures stay with the part that has them, and thoughts are no content."""
    thought = piece({"text": "Hm", "thought": True}), piece({"text": ".", "thought": True})
    assert not merged(*thought).has_content
    said = merged(*thought, piece({"text": "So", "thoughtSignature": "s"}), piece({"text": "!"}))
    assert said.has_content
    assert said.response().outputs["candidates"][0]["content"]["parts"] == [
        {"text": "Hm.", "thought": True},
        {"text": "So!", "thoughtSignature": "s"},
    ]


def test_chunks_may_be_cut_anywhere() -> None:
    """A transport may cut the bytes at any position."""
    data = b"data: " + json.dumps(piece({"text": "Zürich"})).encode() + b"\r\n\r\n"
    pieces = [data[at : at + 5] for at in range(0, len(data), 5)]
    [candidate] = merged(*pieces).response().outputs["candidates"]
    assert candidate["content"]["parts"] == [{"text": "Zürich"}]


def test_last_event_needs_no_end_of_line() -> None:
    """The connection may end directly after the last event."""
    data = b"data: " + json.dumps(piece({"text": "a"})).encode()
    assert merged(data).response().outputs["candidates"]


def test_made_pictures_are_media() -> None:
    """Images in a response become attachments."""
    picture = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    assert merged(piece(picture)).response().has_media
