"""The span of a streamed response equals the span of a whole response, for each response shape."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from attachments import resolved
from callers import MODEL
from provider._shapes import (
    CITATION,
    FOUND,
    GROUNDS,
    PICTURES,
    QUOTES,
    REASONING_ITEM,
    REDACTED_THOUGHT,
    SHAPES,
    SOUND,
    THOUGHT,
)

from mlflow_litellm._payloads.kinds.table import CHAT

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span
    from traces import Traces

# LiteLLM sets these itself in a stream: its clock, generated ids, and the requested model.
DIFFERS = ("created", "id", "model", "usage")
COMMANDS = {
    "custom tool calls": "/shape custom-tools",
    "empty text": "/say",
    "legacy function call": "/shape function-call",
    "logprobs": "/logprobs",
    "parallel tool calls": "/tools 2",
    "reasoning": "/reason | The answer is 42.",
    "text": "hello",
    "tool call told oddly": "/tools-odd",
    "audio": "/shape audio",
    "annotations": "/shape annotations",
    "citations": "/shape cited",
    "content filter": "/shape filtered",
    "fields of the body": "/shape beside",
    "fields of the provider": "/shape provider-fields",
    "pictures": "/shape images",
}


def both(command: str, tracing: Traces, caller: Caller, **kwargs: Any) -> tuple[Any, Any]:
    """Return the recorded outputs of a whole response and of its stream."""
    if command == "/logprobs":
        kwargs["logprobs"] = True
    caller.complete(command, **kwargs)
    caller.stream(command, **kwargs)
    whole, streamed = (said(span) for span in tracing.calls())
    return whole, streamed


def said(span: Span) -> Any:
    """Return a span's outputs without the fields that differ between any two responses."""
    return resolved({key: value for key, value in span.outputs.items() if key not in DIFFERS})


def message(outputs: Any) -> dict[str, Any]:
    """Return the first choice's message."""
    return outputs["choices"][0]["message"]


def untraced(command: str, caller: Caller) -> str:
    """Return everything that the reader of an untraced stream gets from LiteLLM."""
    return json.dumps([chunk.model_dump() for chunk in caller.stream(command)])


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_stream_is_recorded_like_the_whole_answer(
    command: str, tracing: Traces, caller: Caller
) -> None:
    """A streamed response has the same recorded outputs as the whole response."""
    whole, streamed = both(command, tracing, caller)
    assert streamed == whole


def test_custom_tool_calls_are_recorded(tracing: Traces, caller: Caller) -> None:
    """The input of a custom tool call is recorded as text, also if its chunks come interleaved."""
    _, streamed = both("/shape custom-tools", tracing, caller)
    calls = message(streamed)["tool_calls"]
    assert [call["type"] for call in calls] == ["custom", "custom"]
    assert [call["custom"]["input"] for call in calls] == ["print(1)", "1 + 1"]


def test_function_call_of_old_is_recorded(tracing: Traces, caller: Caller) -> None:
    """The old `function_call` field, which some backends still return, is recorded."""
    _, streamed = both("/shape function-call", tracing, caller)
    told = {"name": "get_time", "arguments": '{"zone": "CET"}'}
    assert message(streamed)["function_call"] == told
    assert streamed["choices"][0]["finish_reason"] == "function_call"


def test_annotations_are_recorded(tracing: Traces, caller: Caller) -> None:
    """The sources of the text (annotations) are recorded."""
    for outputs in both("/shape annotations", tracing, caller):
        assert message(outputs)["annotations"] == [CITATION]


def test_fields_of_the_provider_are_recorded(tracing: Traces, caller: Caller) -> None:
    """Provider-specific fields are recorded as they are in the message."""
    for outputs in both("/shape provider-fields", tracing, caller):
        assert message(outputs)["provider_specific_fields"] == GROUNDS


def test_citations_are_kept_apart_and_lists_are_not_doubled(
    tracing: Traces, caller: Caller
) -> None:
    """Citations streamed one by one are kept separate, and growing result lists are not doubled."""
    for outputs in both("/shape cited", tracing, caller):
        assert message(outputs)["provider_specific_fields"] == {
            "citations": [[*QUOTES]],
            "region": "eu",
            "web_search_results": [*FOUND],
        }


def test_audio_is_recorded(tracing: Traces, caller: Caller) -> None:
    """Audio is recorded as one sound, although its chunks were encoded and padded separately."""
    for outputs in both("/shape audio", tracing, caller):
        assert message(outputs)["audio"] == {
            "id": "audio_1",
            "data": ("audio/wav", SOUND),
            "transcript": "Hello from the loudspeaker.",
            "expires_at": 1_800_000_000,
        }


def test_pictures_are_recorded(tracing: Traces, caller: Caller) -> None:
    """Each picture is recorded separately, regardless of the number of chunks."""
    for outputs in both("/shape images", tracing, caller):
        told = [picture["image_url"]["url"] for picture in message(outputs)["images"]]
        assert told == [("image/png", picture) for picture in PICTURES]


def test_filtered_answer_is_recorded(tracing: Traces, caller: Caller) -> None:
    """The content of a filtered response is recorded as null, not as an empty text."""
    for outputs in both("/shape filtered", tracing, caller):
        [choice] = outputs["choices"]
        assert choice["finish_reason"] == "content_filter"
        assert choice["message"] == {"role": "assistant", "content": None}


def test_fields_of_the_body_are_recorded(tracing: Traces, caller: Caller) -> None:
    """Fields of the response body are recorded: the service tier and Perplexity's citations."""
    for outputs in both("/shape beside", tracing, caller):
        assert outputs["service_tier"] == "default"
        assert outputs["citations"] == ["https://example.com/paris"]
        assert outputs["search_results"][0]["title"] == "Paris"


# LiteLLM itself leaves these out of a stream, so its reader does not get them either.


def test_refusal_is_recorded_where_it_is_given(traces: Traces, caller: Caller) -> None:
    """A refusal is recorded from a whole response. LiteLLM drops its chunk from a stream."""
    assert "I cannot help" not in untraced("/refuse", caller)
    mlflow.litellm.autolog()
    whole, streamed = both("/refuse", traces, caller)
    answer = message(whole)
    kept = answer.get("provider_specific_fields", answer)
    assert kept["refusal"] == "I cannot help with that."
    assert message(streamed) == {"role": "assistant", "content": None}
    finishes = [outputs["choices"][0]["finish_reason"] for outputs in (whole, streamed)]
    assert finishes == ["content_filter", "content_filter"]


def test_thinking_is_recorded_as_it_is_given(traces: Traces, caller: Caller) -> None:
    """Thinking is recorded. Before 1.110 LiteLLM drops chunks without text, such as signatures."""
    given = untraced("/shape thinking", caller)
    passed = [thought for thought in ("sig==", "opaque==") if thought in given]
    mlflow.litellm.autolog()
    whole, streamed = both("/shape thinking", traces, caller)
    assert message(whole)["thinking_blocks"] == [THOUGHT, REDACTED_THOUGHT]
    blocks = [THOUGHT, REDACTED_THOUGHT] if passed else [{**THOUGHT, "signature": ""}]
    assert message(streamed)["thinking_blocks"] == blocks
    for outputs in (whole, streamed):
        assert message(outputs)["reasoning_content"] == "Let me think."


def test_reasoning_items_are_recorded_beside_the_text_they_repeat(
    tracing: Traces, caller: Caller
) -> None:
    """Reasoning items are recorded once. Before 1.110 LiteLLM drops them from a whole response."""
    response = caller.complete("/shape reasoning-items")
    caller.stream("/shape reasoning-items")
    whole, streamed = (message(span.outputs) for span in tracing.calls())
    assert ("reasoning_items" in whole) == ("opaque==" in response.model_dump_json())
    assert streamed == {**whole, "reasoning_items": [REASONING_ITEM]}
    assert streamed["reasoning_content"] == "Let me think."


def test_fields_of_a_choice_are_recorded_where_they_are_given(
    traces: Traces, caller: Caller
) -> None:
    """A choice's fields are recorded. Before 1.110 LiteLLM drops vLLM's from a stream."""
    is_given = "stop_reason" in untraced("/shape choice-fields", caller)
    mlflow.litellm.autolog()
    whole, streamed = both("/shape choice-fields", traces, caller)
    told = {"stop_reason": "END", "token_ids": [1]}
    [choice], [chunks] = whole["choices"], streamed["choices"]
    assert choice.pop("provider_specific_fields") == told
    assert chunks.pop("provider_specific_fields", {}) == (told if is_given else {})
    assert chunks == {key: value for key, value in choice.items() if key not in told}


def test_each_choice_finishes_for_itself(tracing: Traces, caller: Caller) -> None:
    """Each choice has its own finish reason: complete text, cut text, and filtered text."""
    caller.complete("/shape finishes", n=3)
    outputs = said(tracing.span())
    finishes = [choice["finish_reason"] for choice in outputs["choices"]]
    assert finishes == tracing.span().attributes["finish_reasons"]
    assert finishes == ["stop", "length", "content_filter"]
    texts = [choice["message"]["content"] for choice in outputs["choices"]]
    assert texts == ["Paris is warm.", "Paris", None]


def test_choices_of_a_stream_finish_as_litellm_says(tracing: Traces, caller: Caller) -> None:
    """LiteLLM's finish reasons are recorded: only the first choice has one, which is another's."""
    given: dict[int, str | None] = {}
    for chunk in caller.stream("/shape finishes", n=3):
        for choice in chunk.choices:
            given[choice.index] = choice.finish_reason or given.get(choice.index)
    outputs = tracing.span().outputs
    assert {c["index"]: c["finish_reason"] for c in outputs["choices"]} == given
    assert given == {0: "length", 1: None}


def test_empty_answer_is_recorded(tracing: Traces, caller: Caller) -> None:
    """An empty response is recorded. LiteLLM makes one from a stream without chunks."""
    whole, streamed = both("/empty", tracing, caller)
    assert whole["choices"] == []
    assert streamed["choices"] == [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": None},
        }
    ]


# Side effects that reading a response must not have.


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_an_answer_makes_pydantic_warn_of_nothing(shape: str, caller: Caller) -> None:
    """Reading a response causes no pydantic warning, although LiteLLM's objects break types."""
    response = caller.complete(f"/shape {shape}")
    chunks = caller.stream(f"/shape {shape}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert CHAT.parse_response(response, {"model": MODEL}).outputs["choices"]
        accumulator = CHAT.accumulate({"model": MODEL}, object())
        for chunk in chunks:
            accumulator.add(chunk)
        assert accumulator.response().outputs["choices"]


@pytest.mark.parametrize("shape", SHAPES)
def test_answer_is_the_one_that_an_untraced_call_gets(
    shape: str, traces: Traces, caller: Caller
) -> None:
    """Reading a response does not change it."""

    def dumped() -> Any:
        whole, chunks = caller.complete(f"/shape {shape}"), caller.stream(f"/shape {shape}")
        return [item.model_dump(exclude={"id", "created"}) for item in (whole, *chunks)]

    before = dumped()
    mlflow.litellm.autolog()
    assert dumped() == before


def test_answer_that_is_no_response_is_plain_data() -> None:
    """A response of an unknown type is recorded as JSON types without details."""
    assert CHAT.parse_response(object(), {"model": "gpt-4o"}).outputs == "<builtins.object>"
