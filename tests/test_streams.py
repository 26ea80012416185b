"""Streams: transparent to the reader, and their span ends once, however the reading ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import AsyncCaller, SyncCaller, user
from mlflow.entities import SpanStatusCode
from traces import answer_text, exception_event

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span
    from provider import LoopbackProvider
    from traces import Traces

OPENAI = "openai/gpt-4o-mini"
ANTHROPIC = "anthropic/claude-sonnet-4-20250514"


def ending(span: Span) -> tuple[str, SpanStatusCode]:
    """Return how a span says its stream ended, and its status."""
    return span.attributes["stream_end"], span.status.status_code


def same_answer(streamed: Span, unstreamed: Span) -> None:
    """Compare two spans' outputs, but for what differs between any two answers."""
    mine, theirs = streamed.outputs, unstreamed.outputs
    assert mine["choices"] == theirs["choices"]
    assert {mine["object"], theirs["object"]} == {"chat.completion"}


# What the reader gets.


def test_stream_stays_what_litellm_made_it(tracing: Traces, caller: Caller) -> None:
    """To isinstance, to its class, and to every attribute."""
    stream = caller.complete("hello", stream=True)
    assert isinstance(stream, litellm.CustomStreamWrapper)
    assert stream.__class__ is litellm.CustomStreamWrapper
    assert stream.custom_llm_provider == "openai"
    assert stream.logging_obj is not None
    assert isinstance(iter(stream), litellm.CustomStreamWrapper)
    assert not asyncio.iscoroutine(stream)
    caller.close(stream)


def test_attribute_set_on_the_stream_is_set_on_litellms(tracing: Traces, caller: Caller) -> None:
    """Router keeps its own state there."""
    stream = caller.complete("hello", stream=True)
    stream.some_state = 1
    assert stream.__wrapped__.some_state == 1
    caller.close(stream)


def test_chunks_are_those_of_an_untraced_stream(traces: Traces, caller: Caller) -> None:
    """Not one more, not one less, nothing changed: tracing asks the provider for nothing."""

    def said(chunks: list[Any]) -> list[Any]:
        return [(c.choices[0].delta.content, c.choices[0].finish_reason) for c in chunks]

    untraced = said(caller.stream("one two three"))
    mlflow.litellm.autolog()
    assert said(caller.stream("one two three")) == untraced
    assert "stream_options" not in caller.provider.requests[-1].body


def test_exhausted_stream_ends_again_and_again(tracing: Traces, caller: Caller) -> None:
    """Reading on after the end gives nothing more, and no second span."""
    stream = caller.complete("hello", stream=True)
    assert caller.read(stream)
    assert caller.read(stream) == []
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)


# What is recorded.


def test_span_lasts_as_long_as_the_stream(tracing: Traces, caller: Caller) -> None:
    """From the call to the last chunk, which is when its trace appears."""
    stream = caller.complete("hello", stream=True)
    caller.next(stream)
    assert tracing.all() == []
    caller.read(stream)
    assert answer_text(tracing.span()) == "You said: hello"
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("text", ["plain words", "/tools", "/tools 2", "/reason | so be it"])
def test_streamed_answer_is_recorded_like_an_unstreamed_one(
    text: str, model: str, tracing: Traces, caller: Caller
) -> None:
    """Texts, parallel tool calls, reasoning, finish reasons, in the same shape."""
    caller.complete(text, model=model)
    caller.stream(text, model=model)
    unstreamed, streamed = tracing.calls()
    same_answer(streamed, unstreamed)
    assert streamed.attributes["finish_reasons"] == unstreamed.attributes["finish_reasons"]


def test_choices_are_kept_apart(tracing: Traces, caller: Caller) -> None:
    """LiteLLM's own joining mixes the choices of ``n > 1``."""
    caller.stream("/choices", n=3)
    outputs = tracing.span().outputs
    texts = [choice["message"]["content"] for choice in outputs["choices"]]
    assert texts == ["answer 0", "answer 1", "answer 2"]
    assert [choice["index"] for choice in outputs["choices"]] == [0, 1, 2]


def test_logprobs_are_joined(tracing: Traces, caller: Caller) -> None:
    """LiteLLM's own joining drops them."""
    caller.complete("/logprobs", logprobs=True)
    caller.stream("/logprobs", logprobs=True)
    unstreamed, streamed = (span.outputs["choices"][0]["logprobs"] for span in tracing.calls())
    assert streamed["content"] == unstreamed["content"] != []


def test_odd_tool_call_fragments_are_joined(tracing: Traces, caller: Caller) -> None:
    """No index, arguments of null, the id repeated: some backends send that."""
    caller.stream("/tools-odd")
    [call] = tracing.span().outputs["choices"][0]["message"]["tool_calls"]
    assert call["id"] == "call_1"
    assert call["function"] == {"name": "get_weather", "arguments": '{"location": "Paris"}'}


def test_usage_is_recorded_where_the_user_asked_for_it(tracing: Traces, caller: Caller) -> None:
    """From the usage chunk; with it the cost."""
    chunks = caller.stream("one two", stream_options={"include_usage": True})
    usage = next(chunk.usage for chunk in chunks if getattr(chunk, "usage", None))
    attributes = tracing.span().attributes
    assert attributes["mlflow.chat.tokenUsage"]["total_tokens"] == usage.total_tokens
    assert attributes["mlflow.llm.cost"]["total_cost"] > 0


def test_usage_that_litellm_keeps_back_is_recorded_too(tracing: Traces, caller: Caller) -> None:
    """Anthropic always counts; LiteLLM shows it only to who asked."""
    caller.complete("/cached", model=ANTHROPIC)
    caller.stream("/cached", model=ANTHROPIC)
    unstreamed, streamed = (s.attributes["mlflow.chat.tokenUsage"] for s in tracing.calls())
    assert streamed == unstreamed


def test_usage_repeated_in_each_chunk_is_not_summed(tracing: Traces, caller: Caller) -> None:
    """Some providers send a growing count: the last one is the total."""
    caller.stream("/usage-each", stream_options={"include_usage": True})
    usage = tracing.span().attributes["mlflow.chat.tokenUsage"]
    assert usage["input_tokens"] == 7
    assert usage["total_tokens"] == 7 + usage["output_tokens"]


def test_unknown_usage_is_absent(tracing: Traces, caller: Caller) -> None:
    """Neither 0 nor an estimate, and no cost of 0 either."""
    caller.stream("hello", model="openai/no-such-model")
    attributes = tracing.span().attributes
    assert attributes.get("mlflow.chat.tokenUsage") is None
    assert "mlflow.llm.cost" not in attributes


def test_time_to_first_chunk_and_chunk_count_are_recorded(tracing: Traces, caller: Caller) -> None:
    """In ms from the call, and as many as the reader got."""
    chunks = caller.stream("/long 20")
    attributes = tracing.span().attributes
    span_ms = (tracing.span().end_time_ns - tracing.span().start_time_ns) / 1e6
    assert attributes["stream_chunks"] == len(chunks)
    assert 0 < attributes["time_to_first_chunk_ms"] <= span_ms + 1


def test_model_named_late_is_recorded(tracing: Traces, caller: Caller) -> None:
    """Azure leaves it empty in the first chunk."""
    caller.stream("/cumulative-model")
    assert tracing.span().attributes["mlflow.llm.model"]


def test_chunk_is_recorded_as_it_passed(tracing: Traces, caller: Caller) -> None:
    """What the reader does to a chunk does not reach the trace."""
    stream = caller.complete("hello", stream=True)
    for _ in range(3):
        caller.next(stream).choices[0].delta.content = "changed"
    caller.read(stream)
    assert answer_text(tracing.span()) == "You said: hello"


def test_cached_stream_is_flagged_and_costs_nothing(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time LiteLLM plays the answer back."""
    monkeypatch.setattr(litellm, "cache", litellm.Cache(type="local"))
    for _ in range(2):
        caller.stream("hello once more", caching=True)
    first, second = tracing.calls()
    assert second.attributes["cache_hit"] is True
    assert second.attributes["mlflow.llm.cost"]["total_cost"] == 0
    assert second.attributes["mlflow.llm.provider"] == "openai"
    assert answer_text(second) == answer_text(first)


# How it ends.


def test_break_ends_the_span_at_once(tracing: Traces, caller: Caller) -> None:
    """With what was received, and although the stream is still held."""
    stream = caller.complete("/long 20", stream=True)
    caller.read(stream, most=3)
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
    assert answer_text(tracing.span()).startswith("w0 w1")
    assert stream is not None


def test_reading_goes_on_after_break(tracing: Traces, caller: Caller) -> None:
    """The stream is the reader's: the rest comes, and there is no second span."""
    stream = caller.complete("/long 20", stream=True)
    first = caller.read(stream, most=3)
    rest = caller.read(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in first + rest)
    assert text.split() == [f"w{i}" for i in range(20)]
    assert len(tracing.all()) == 1


def test_single_reads_then_a_loop_are_one_stream(tracing: Traces, caller: Caller) -> None:
    """A first chunk read by hand, the rest in a loop."""
    stream = caller.complete("hello", stream=True)
    caller.next(stream)
    caller.read(stream)
    assert answer_text(tracing.span()) == "You said: hello"


def test_asking_for_an_iterator_ends_nothing(tracing: Traces, provider: LoopbackProvider) -> None:
    """Some libraries call ``iter()`` just to see whether it works."""
    stream = SyncCaller(provider).complete("hello", stream=True)
    iter(stream)
    assert len(list(stream)) > 1
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)


def test_closed_stream_is_abandoned(tracing: Traces, caller: Caller) -> None:
    """``close`` and ``aclose``, with what was received."""
    stream = caller.complete("/long 20", stream=True)
    caller.next(stream)
    caller.close(stream)
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
    assert tracing.span().attributes["stream_chunks"] == 1


def test_dropped_stream_is_abandoned(tracing: Traces, caller: Caller) -> None:
    """As soon as nobody holds it; no garbage is collected during a test."""
    stream = caller.complete("/long 20", stream=True)
    caller.next(stream)
    del stream
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)


def test_unread_stream_is_abandoned(tracing: Traces, caller: Caller) -> None:
    """No chunk, no time to the first one, an empty answer."""
    caller.complete("hello", stream=True)
    span = tracing.span()
    assert ending(span) == ("abandoned", SpanStatusCode.OK)
    assert span.outputs["choices"] == []
    assert "time_to_first_chunk_ms" not in span.attributes


def test_stream_dropped_in_a_reference_cycle_is_abandoned(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """Only the garbage collector finds it; its span is ended from another thread."""
    stream = SyncCaller(provider).complete("/long 20", stream=True)
    next(stream)
    cycle: list[Any] = [stream]
    cycle.append(cycle)
    del stream, cycle
    before = threading.active_count()
    gc.collect()
    for _ in range(100):
        if tracing.all():
            break
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
    assert threading.active_count() == before


@pytest.mark.parametrize("text", ["/break 3", "/event-error 3"])
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_failure_in_mid_stream_is_an_error_with_what_came_before(
    model: str, text: str, tracing: Traces, caller: Caller
) -> None:
    """A broken connection and an error event: the same exception, and the text so far."""
    chunks: list[Any] = []
    stream = caller.complete(text, model=model, stream=True)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - LiteLLM's type differs by version.
        while True:
            chunks.append(caller.next(stream))
    span = tracing.span()
    assert ending(span) == ("failed", SpanStatusCode.ERROR)
    assert exception_event(span)["exception.type"] == type(raised.value).__name__
    received = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert (answer_text(span) or "") == received if chunks else span.outputs["choices"] == []


def test_reading_on_after_a_failure_does_not_make_it_good(tracing: Traces, caller: Caller) -> None:
    """LiteLLM gives one more, made-up chunk then."""
    stream = caller.complete("/break 3", stream=True)
    with pytest.raises(Exception, match="litellm"):
        caller.read(stream)
    with contextlib.suppress(Exception):
        caller.read(stream)
    assert ending(tracing.span()) == ("failed", SpanStatusCode.ERROR)


@pytest.mark.parametrize("status", [401, 429, 500])
def test_stream_that_fails_to_open_is_an_error(
    status: int, tracing: Traces, caller: Caller
) -> None:
    """Its span is ended and not left current, so that what follows is a trace of its own."""
    with pytest.raises(Exception, match="refused"):
        caller.complete(f"/error {status} refused", stream=True)
    assert tracing.span().status.status_code == SpanStatusCode.ERROR
    caller.complete("hello")
    assert len(tracing.all()) == 2


def test_empty_stream_is_an_empty_answer(tracing: Traces, caller: Caller) -> None:
    """No choice, no IndexError."""
    caller.stream("/empty")
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)


def test_cancelled_reader_is_an_error(tracing: Traces, provider: LoopbackProvider) -> None:
    """CancelledError passes through, with the text so far on the span."""
    caller = AsyncCaller(provider)
    provider.arrived.clear()
    provider.release.clear()

    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    async def cancel_reader() -> None:
        stream = await litellm.acompletion(**caller.arguments("/hold-after 3", stream=True))
        reader = asyncio.create_task(read(stream))
        await asyncio.to_thread(provider.arrived.wait, 10)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader

    caller.run(cancel_reader)
    provider.release.set()
    span = tracing.span()
    assert ending(span) == ("failed", SpanStatusCode.ERROR)
    assert exception_event(span)["exception.type"] == "CancelledError"


def test_cancelled_call_is_an_error(tracing: Traces, provider: LoopbackProvider) -> None:
    """A timeout before the answer: the call's span is ended, not left open."""
    caller = AsyncCaller(provider)
    provider.arrived.clear()
    provider.release.clear()

    async def cancel_call() -> None:
        call = asyncio.create_task(litellm.acompletion(**caller.arguments("/hold")))
        await asyncio.to_thread(provider.arrived.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    caller.run(cancel_call)
    provider.release.set()
    span = tracing.span()
    assert span.status.status_code == SpanStatusCode.ERROR
    assert exception_event(span)["exception.type"] == "CancelledError"


def test_exception_in_the_readers_loop_is_not_a_finished_stream(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """The reader failed, not the stream: it was left before its end."""
    with pytest.raises(ZeroDivisionError):
        for _ in SyncCaller(provider).complete("/long 20", stream=True):
            _ = 1 / 0
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)


def test_stream_is_read_in_another_thread(tracing: Traces, provider: LoopbackProvider) -> None:
    """No context is carried from chunk to chunk that could be of another thread."""
    with mlflow.start_span("parent"):
        stream = SyncCaller(provider).complete("hello", stream=True)
        reader = threading.Thread(target=list, args=(stream,))
        reader.start()
        reader.join()
    [call] = tracing.calls()
    assert ending(call) == ("finished", SpanStatusCode.OK)
    assert call.parent_id is not None


def test_stream_is_read_in_another_task(tracing: Traces, provider: LoopbackProvider) -> None:
    """Made in one task, read in a second, closed in a third."""
    caller = AsyncCaller(provider)

    async def in_tasks() -> None:
        make = litellm.acompletion(**caller.arguments("/long 20", stream=True))
        stream = await asyncio.create_task(make)
        await asyncio.create_task(stream.__anext__())
        await asyncio.create_task(stream.aclose())

    caller.run(in_tasks)
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)


def test_stream_made_sync_can_be_read_async(tracing: Traces, provider: LoopbackProvider) -> None:
    """LiteLLM's wrapper can be read both ways, so ours can."""
    stream = SyncCaller(provider).complete("hello", stream=True)
    AsyncCaller(provider).read(stream)
    assert answer_text(tracing.span()) == "You said: hello"


def test_stream_is_not_current_between_chunks(tracing: Traces, caller: Caller) -> None:
    """What the reader starts meanwhile is no child of the stream."""
    with mlflow.start_span("parent") as parent:
        stream = caller.complete("hello", stream=True)
        caller.next(stream)
        assert mlflow.get_current_active_span().span_id == parent.span_id
        with mlflow.start_span("between"):
            pass
        caller.read(stream)
    spans = {span.name: span for span in tracing.one().data.spans}
    assert spans["between"].parent_id == spans["parent"].span_id
    assert spans[caller.span_name].parent_id == spans["parent"].span_id


def test_stream_dropped_in_a_traced_function_leaves_its_trace_whole(
    tracing: Traces, caller: Caller
) -> None:
    """A child that never ends would make MLflow keep the whole trace back."""

    @mlflow.trace
    def first_word() -> str:
        stream = caller.complete("/long 20", stream=True)
        return caller.next(stream).choices[0].delta.content

    first_word()
    trace = tracing.one()
    assert trace.info.state == "OK"
    assert {span.name for span in trace.data.spans} == {"first_word", caller.span_name}


def test_stream_that_outlives_its_parent_is_still_its_child(
    tracing: Traces, caller: Caller
) -> None:
    """MLflow holds the trace back until the stream has ended."""
    with mlflow.start_span("parent"):
        stream = caller.complete("hello", stream=True)
    caller.read(stream)
    assert {span.name for span in tracing.one().data.spans} == {"parent", caller.span_name}


def test_stream_open_when_tracing_is_switched_off_is_recorded_to_its_end(
    tracing: Traces, caller: Caller
) -> None:
    """Its call was made while tracing was on."""
    stream = caller.complete("hello", stream=True)
    mlflow.litellm.autolog(disable=True)
    caller.read(stream)
    assert answer_text(tracing.span()) == "You said: hello"


def test_plain_generator_keeps_its_kind(tracing: Traces, provider: LoopbackProvider) -> None:
    """Some routes of LiteLLM give a generator in the place of a stream wrapper."""
    import inspect

    stream = litellm.completion(
        model="text-completion-openai/gpt-3.5-turbo-instruct",
        messages=user("hi"),
        stream=True,
        mock_response="hello there",
    )
    assert inspect.isgenerator(stream) or isinstance(stream, litellm.CustomStreamWrapper)
    assert list(stream)
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)
