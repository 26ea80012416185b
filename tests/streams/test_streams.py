"""Streams do not change for the reader, and their span ends once, however the reading ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import ANTHROPIC, MODEL
from mlflow.entities import SpanStatusCode
from traces import answer_text, ending

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span
    from traces import Traces


def told_once(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove fields that some versions of LiteLLM repeat under another name."""
    for choice in choices:
        message = choice["message"]
        fields = message.pop("provider_specific_fields", None) or {}
        own = {key: value for key, value in fields.items() if message.get(key) != value}
        message.update({"provider_specific_fields": own} if own else {})
    return choices


def same_answer(streamed: Span, unstreamed: Span) -> None:
    """Compare two spans' outputs, without the parts that differ between any two responses."""
    mine, theirs = streamed.outputs, unstreamed.outputs
    assert told_once(mine["choices"]) == told_once(theirs["choices"])
    assert {mine["object"], theirs["object"]} == {"chat.completion"}


# The reader's side.


def test_stream_stays_what_litellm_made_it(tracing: Traces, caller: Caller) -> None:
    """``isinstance``, ``__class__`` and every attribute are the same."""
    stream = caller.complete("hello", stream=True)
    assert isinstance(stream, litellm.CustomStreamWrapper)
    assert stream.__class__ is litellm.CustomStreamWrapper
    assert stream.custom_llm_provider == "openai"
    assert stream.logging_obj is not None
    assert isinstance(iter(stream), litellm.CustomStreamWrapper)
    assert not asyncio.iscoroutine(stream)
    caller.close(stream)


def test_attribute_set_on_the_stream_is_set_on_litellms(tracing: Traces, caller: Caller) -> None:
    """Router keeps state of its own on the stream."""
    stream = caller.complete("hello", stream=True)
    stream.some_state = 1
    assert vars(stream)["some_state"] == stream.some_state == 1
    del stream.some_state
    assert not hasattr(stream, "some_state")
    caller.close(stream)


def test_chunks_are_those_of_an_untraced_stream(traces: Traces, caller: Caller) -> None:
    """The chunks are the same, and tracing adds nothing to the request."""

    def said(chunks: list[Any]) -> list[Any]:
        return [(c.choices[0].delta.content, c.choices[0].finish_reason) for c in chunks]

    untraced = said(caller.stream("one two three"))
    mlflow.litellm.autolog()
    assert said(caller.stream("one two three")) == untraced
    assert "stream_options" not in caller.provider.requests[-1].body


def test_exhausted_stream_ends_again_and_again(tracing: Traces, caller: Caller) -> None:
    """Reading after the end returns nothing and makes no second span."""
    stream = caller.complete("hello", stream=True)
    assert caller.read(stream)
    assert caller.read(stream) == []
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)


# The recorded data.


def test_span_lasts_as_long_as_the_stream(tracing: Traces, caller: Caller) -> None:
    """The span lasts from the call to the last chunk, and only then is there a trace."""
    stream = caller.complete("hello", stream=True)
    caller.next(stream)
    assert tracing.all() == []
    caller.read(stream)
    assert answer_text(tracing.span()) == "You said: hello"
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)


@pytest.mark.parametrize("model", [MODEL, ANTHROPIC])
@pytest.mark.parametrize("text", ["plain words", "/tools", "/tools 2", "/reason | so be it"])
def test_streamed_answer_is_recorded_like_an_unstreamed_one(
    text: str, model: str, tracing: Traces, caller: Caller
) -> None:
    """Texts, tool calls, reasoning and finish reasons are recorded in the same format."""
    caller.complete(text, model=model)
    chunks = caller.stream(text, model=model)
    if any(chunk.choices[0].index for chunk in chunks):
        pytest.skip("LiteLLM takes Anthropic's parts of an answer for choices of their own.")
    unstreamed, streamed = tracing.calls()
    same_answer(streamed, unstreamed)
    assert streamed.attributes["finish_reasons"] == unstreamed.attributes["finish_reasons"]


def test_choices_are_kept_apart(tracing: Traces, caller: Caller) -> None:
    """LiteLLM's own function for merging chunks mixes the choices of ``n > 1``."""
    caller.stream("/choices", n=3)
    outputs = tracing.span().outputs
    texts = [choice["message"]["content"] for choice in outputs["choices"]]
    assert texts == ["answer 0", "answer 1", "answer 2"]
    assert [choice["index"] for choice in outputs["choices"]] == [0, 1, 2]


def test_logprobs_are_joined(tracing: Traces, caller: Caller) -> None:
    """LiteLLM's own function for merging chunks drops logprobs."""
    caller.complete("/logprobs", logprobs=True)
    caller.stream("/logprobs", logprobs=True)
    unstreamed, streamed = (span.outputs["choices"][0]["logprobs"] for span in tracing.calls())
    assert streamed["content"] == unstreamed["content"] != []


def test_odd_tool_call_fragments_are_joined(tracing: Traces, caller: Caller) -> None:
    """Some backends send no index, arguments of null, or the id repeatedly."""
    caller.stream("/tools-odd")
    [call] = tracing.span().outputs["choices"][0]["message"]["tool_calls"]
    assert call["id"] == "call_1"
    assert call["function"] == {"name": "get_weather", "arguments": '{"location": "Paris"}'}


def test_usage_is_recorded_where_the_user_asked_for_it(tracing: Traces, caller: Caller) -> None:
    """The usage comes from the usage chunk, and the cost from the usage."""
    chunks = caller.stream("one two", stream_options={"include_usage": True})
    usage = next(chunk.usage for chunk in chunks if getattr(chunk, "usage", None))
    attributes = tracing.span().attributes
    assert attributes["mlflow.chat.tokenUsage"]["total_tokens"] == usage.total_tokens
    assert attributes["mlflow.llm.cost"]["total_cost"] > 0


def test_usage_that_litellm_keeps_back_is_recorded_too(tracing: Traces, caller: Caller) -> None:
    """Anthropic always counts; LiteLLM passes the usage on only if the user asks for it."""
    caller.complete("/cached", model=ANTHROPIC)
    caller.stream("/cached", model=ANTHROPIC)
    unstreamed, streamed = (s.attributes["mlflow.chat.tokenUsage"] for s in tracing.calls())
    assert streamed == unstreamed


def test_usage_repeated_in_each_chunk_is_not_summed(tracing: Traces, caller: Caller) -> None:
    """Some providers send a growing count, and the last one is the total."""
    caller.stream("/usage-each", stream_options={"include_usage": True})
    usage = tracing.span().attributes["mlflow.chat.tokenUsage"]
    assert usage["input_tokens"] == 7
    assert usage["total_tokens"] == 7 + usage["output_tokens"]


def test_usage_that_nobody_counted_is_litellms_estimate_or_absent(
    tracing: Traces, caller: Caller
) -> None:
    """The count is absent if LiteLLM's is 0, as before 1.110; without a price there is no cost."""
    chunks = caller.stream("hello", model="openai/no-such-model")
    # Some older versions report no usage at all.
    told = getattr(chunks[-1]._hidden_params.get("usage"), "total_tokens", 0)
    attributes = tracing.span().attributes
    usage = attributes.get("mlflow.chat.tokenUsage", {})
    assert usage.get("total_tokens", 0) == told
    assert attributes.get("usage_is_estimate", False) == bool(told)
    assert "mlflow.llm.cost" not in attributes


def test_usage_that_the_provider_counted_is_no_estimate(tracing: Traces, caller: Caller) -> None:
    """A count of the provider's is no estimate, even if the user did not ask for it."""
    caller.stream("hello", model=ANTHROPIC)
    caller.stream("hello", stream_options={"include_usage": True})
    for span in tracing.calls():
        assert span.attributes["mlflow.chat.tokenUsage"]
        assert "usage_is_estimate" not in span.attributes


def test_time_to_first_chunk_and_chunk_count_are_recorded(tracing: Traces, caller: Caller) -> None:
    """The time is in ms from the call, and the count is that of the reader's chunks."""
    chunks = caller.stream("/long 20")
    attributes = tracing.span().attributes
    span_ms = (tracing.span().end_time_ns - tracing.span().start_time_ns) / 1e6
    assert attributes["stream_chunks"] == len(chunks)
    assert 0 < attributes["time_to_first_chunk_ms"] <= span_ms + 1


def test_model_named_late_is_recorded(tracing: Traces, caller: Caller) -> None:
    """Azure leaves the model empty in the first chunk."""
    caller.stream("/cumulative-model")
    assert tracing.span().attributes["mlflow.llm.model"]


def test_chunk_is_recorded_as_it_passed(tracing: Traces, caller: Caller) -> None:
    """Changes that the reader makes to a chunk are not recorded."""
    stream = caller.complete("hello", stream=True)
    for _ in range(3):
        caller.next(stream).choices[0].delta.content = "changed"
    caller.read(stream)
    assert answer_text(tracing.span()) == "You said: hello"


def test_cached_stream_is_flagged_and_costs_nothing(
    tracing: Traces, caller: Caller, litellm_cache: None
) -> None:
    """LiteLLM returns the second stream from its cache."""
    for _ in range(2):
        caller.stream("hello once more", caching=True)
    first, second = tracing.calls()
    assert second.attributes["cache_hit"] is True
    assert second.attributes["mlflow.llm.cost"]["total_cost"] == 0
    assert second.attributes["mlflow.llm.provider"] == "openai"
    assert answer_text(second) == answer_text(first)
