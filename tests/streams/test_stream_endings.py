"""A stream's span ends once, however the reading ends, and with the chunks so far."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import inspect
import itertools
import threading
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import ANTHROPIC, MODEL, AsyncCaller, SyncCaller, skip_hidden_break, user
from mlflow.entities import SpanStatusCode
from traces import answer_text, ending, exception_event

from mlflow_litellm._common.patching import Patch
from mlflow_litellm._instrumentation import autolog, wrapper
from mlflow_litellm._instrumentation.stream_state import StreamRecord, open_streams
from mlflow_litellm._instrumentation.wrapper import wrapper_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callers import Caller
    from provider import LoopbackProvider
    from traces import Traces


def test_break_ends_the_span_at_once(tracing: Traces, caller: Caller) -> None:
    """The span has the chunks so far, and ends at once if nothing else refers to the stream."""
    caller.read(caller.complete("/long 20", stream=True), most=3)
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
    assert answer_text(tracing.span()).startswith("w0 w1")


def by_loop(stream: Any) -> Any:
    """Read the first chunk in a loop that ends with ``break``."""
    first = []
    for chunk in stream:
        first.append(chunk)
        break
    return first[0]


async def by_async_loop(stream: Any) -> Any:
    """Read the first chunk in an async loop that ends with ``break``."""
    first = []
    async for chunk in stream:
        first.append(chunk)
        break
    return first[0]


def by_iterator(stream: Any) -> Any:
    """Read the first chunk through an iterator."""
    return next(iter(stream))


async def by_async_iterator(stream: Any) -> Any:
    """Read the first chunk through an async iterator."""
    return await anext(aiter(stream))


def by_islice(stream: Any) -> Any:
    """Read the first chunk through ``itertools.islice``."""
    [chunk] = itertools.islice(stream, 1)
    return chunk


PEEKS = [by_loop, by_iterator, by_islice, next, by_async_loop, by_async_iterator, anext]


@pytest.mark.parametrize("peek", PEEKS)
def test_stream_that_was_peeked_at_is_recorded_to_its_end(
    peek: Callable[[Any], Any], tracing: Traces, provider: LoopbackProvider
) -> None:
    """A server may read the first chunk to see an error before it responds."""
    is_async = peek is anext or asyncio.iscoroutinefunction(peek)
    caller = AsyncCaller(provider) if is_async else SyncCaller(provider)
    stream = caller.complete("/long 20", stream=True)
    first = caller.run(lambda: peek(stream)) if is_async else peek(stream)
    chunks = [first, *caller.read(stream)]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text.split() == [f"w{i}" for i in range(20)]
    span = tracing.span()
    assert ending(span) == ("finished", SpanStatusCode.OK)
    assert answer_text(span) == text
    assert span.attributes["stream_chunks"] == len(chunks)


def test_stream_may_be_left_and_read_on_many_times(tracing: Traces, caller: Caller) -> None:
    """A stream that is read in many parts may still fail at the end."""
    skip_hidden_break(caller)
    stream = caller.complete("/event-error 3", stream=True)
    with pytest.raises(Exception, match="litellm"):
        while True:
            caller.read(stream, most=1)
    assert ending(tracing.span()) == ("failed", SpanStatusCode.ERROR)


@pytest.mark.parametrize("way", ["closed", "dropped"])
def test_left_stream_ends_at_its_last_chunk(way: str, tracing: Traces, caller: Caller) -> None:
    """The span ends later, with the time of the ``break``."""
    stream = caller.complete("/long 20", stream=True)
    caller.read(stream, most=3)
    assert tracing.all() == []
    caller.complete("meanwhile", mock_response="hello")
    if way == "closed":
        caller.close(stream)
    del stream
    left, meanwhile = tracing.calls()
    assert ending(left) == ("abandoned", SpanStatusCode.OK)
    assert left.attributes["stream_chunks"] == 3
    assert left.start_time_ns < left.end_time_ns <= meanwhile.start_time_ns


def test_left_stream_that_is_held_for_long_is_ended_by_a_later_call(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that is referenced but was not left in a loop stays open."""
    monkeypatch.setattr(wrapper, "LEFT_FOR_S", 0.0)
    left, held = (caller.complete("/long 20", stream=True) for _ in range(2))
    caller.read(left, most=2)
    caller.next(held)
    caller.complete("next", mock_response="hello")
    endings = [call.attributes.get("stream_end") for call in tracing.calls()]
    assert endings == ["abandoned", None]
    assert len(caller.read(left)) > 10
    caller.read(held)
    assert tracing.calls()[1].attributes["stream_end"] == "finished"


def test_left_stream_does_not_cost_its_parent_the_trace(tracing: Traces, caller: Caller) -> None:
    """The parent's trace waits for the stream."""
    with mlflow.start_span("parent"):
        stream = caller.complete("/long 20", stream=True)
        caller.read(stream, most=2)
    del stream
    trace = tracing.one()
    assert {span.name for span in trace.data.spans} == {"parent", caller.span_name}


def test_abandoned_stream_has_one_event_that_says_so(tracing: Traces, caller: Caller) -> None:
    """A stream that was read to its end has no such event."""
    caller.read(caller.complete("/long 20", stream=True), most=3)
    caller.stream("hello")
    left, whole = tracing.calls()
    [event] = left.events
    assert (event.name, event.attributes) == ("abandoned", {"chunks": 3})
    assert left.start_time_ns < event.timestamp <= left.end_time_ns
    assert whole.events == []


def test_single_reads_then_a_loop_are_one_stream(tracing: Traces, caller: Caller) -> None:
    """The first chunk may be read on its own, and the rest in a loop."""
    stream = caller.complete("hello", stream=True)
    caller.next(stream)
    caller.read(stream)
    assert answer_text(tracing.span()) == "You said: hello"


def test_asking_for_an_iterator_ends_nothing(tracing: Traces, provider: LoopbackProvider) -> None:
    """Some libraries call ``iter()`` only as a check."""
    stream = SyncCaller(provider).complete("hello", stream=True)
    iter(stream)
    assert len(list(stream)) > 1
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)


def test_closed_stream_is_abandoned(tracing: Traces, caller: Caller) -> None:
    """After ``close`` or ``aclose``, the span has the chunks so far."""
    stream = caller.complete("/long 20", stream=True)
    caller.next(stream)
    if not hasattr(stream, "aclose" if isinstance(caller, AsyncCaller) else "close"):
        pytest.skip("LiteLLM closes no stream")
    caller.close(stream)
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
    assert tracing.span().attributes["stream_chunks"] == 1


def test_dropped_stream_is_abandoned(tracing: Traces, caller: Caller) -> None:
    """The span ends when the last reference goes; no garbage is collected during a test."""
    stream = caller.complete("/long 20", stream=True)
    caller.next(stream)
    del stream
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)


def test_unread_stream_is_abandoned(tracing: Traces, caller: Caller) -> None:
    """The span has an empty response, and no time to the first chunk."""
    caller.complete("hello", stream=True)
    span = tracing.span()
    assert ending(span) == ("abandoned", SpanStatusCode.OK)
    assert span.outputs["choices"] == []
    assert "time_to_first_chunk_ms" not in span.attributes


def test_stream_dropped_in_a_reference_cycle_is_abandoned(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """The garbage collector finds the stream, and another thread ends its span."""
    stream = SyncCaller(provider).complete("/long 20", stream=True)
    next(stream)
    cycle: list[Any] = [stream]
    cycle.append(cycle)
    del stream, cycle
    before = threading.active_count()
    assert tracing.after_collection()
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)
    assert threading.active_count() == before


@pytest.mark.parametrize("text", ["/break 3", "/event-error 3"])
@pytest.mark.parametrize("model", [MODEL, ANTHROPIC])
def test_failure_in_mid_stream_is_an_error_with_what_came_before(
    model: str, text: str, tracing: Traces, caller: Caller
) -> None:
    """A broken connection or an error event raises, and the span has the text so far."""
    if text.startswith("/break"):
        skip_hidden_break(caller)
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
    """After the failure, LiteLLM returns one more, made-up chunk."""
    skip_hidden_break(caller)
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
    """The span has ended and is not current, so the next call is a trace of its own."""
    with pytest.raises(Exception, match="refused"):
        caller.complete(f"/error {status} refused", stream=True)
    assert tracing.span().status.status_code == SpanStatusCode.ERROR
    caller.complete("hello")
    assert len(tracing.all()) == 2


def test_empty_stream_is_an_empty_answer(tracing: Traces, caller: Caller) -> None:
    """A stream without chunks has no choice, and raises nothing."""
    caller.stream("/empty")
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)


def test_cancelled_reader_is_an_error(tracing: Traces, provider: LoopbackProvider) -> None:
    """CancelledError is passed on, and the span has the text so far."""
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
    """The span of a call that is cancelled before its response is ended."""
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
    """The reader failed, not the stream, so the stream is abandoned."""
    with pytest.raises(ZeroDivisionError):
        for _ in SyncCaller(provider).complete("/long 20", stream=True):
            _ = 1 / 0
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)


def test_stream_is_read_in_another_thread(tracing: Traces, provider: LoopbackProvider) -> None:
    """A stream keeps no context of a thread from chunk to chunk."""
    with mlflow.start_span("parent"):
        stream = SyncCaller(provider).complete("hello", stream=True)
        reader = threading.Thread(target=list, args=(stream,))
        reader.start()
        reader.join()
    [call] = tracing.calls()
    assert ending(call) == ("finished", SpanStatusCode.OK)
    assert call.parent_id is not None


def test_stream_is_read_in_another_task(tracing: Traces, provider: LoopbackProvider) -> None:
    """The stream is made in one task, read in a second and closed in a third."""
    caller = AsyncCaller(provider)

    async def in_tasks() -> None:
        make = litellm.acompletion(**caller.arguments("/long 20", stream=True))
        stream = await asyncio.create_task(make)
        await asyncio.create_task(stream.__anext__())
        # Older versions of LiteLLM have no ``aclose``: the stream is dropped there.
        if hasattr(stream, "aclose"):
            await asyncio.create_task(stream.aclose())

    caller.run(in_tasks)
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)


def test_stream_made_sync_can_be_read_async(tracing: Traces, provider: LoopbackProvider) -> None:
    """LiteLLM's wrapper can be read synchronously and asynchronously, and so can ours."""
    stream = SyncCaller(provider).complete("hello", stream=True)
    AsyncCaller(provider).read(stream)
    assert answer_text(tracing.span()) == "You said: hello"


def test_stream_is_not_current_between_chunks(tracing: Traces, caller: Caller) -> None:
    """A span that the reader starts between chunks is no child of the stream."""
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
    """A child that never ends would keep the whole trace from export."""

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
    """MLflow exports the trace after the stream has ended."""
    with mlflow.start_span("parent"):
        stream = caller.complete("hello", stream=True)
    caller.read(stream)
    assert {span.name for span in tracing.one().data.spans} == {"parent", caller.span_name}


def test_stream_open_when_tracing_is_switched_off_is_recorded_to_its_end(
    tracing: Traces, caller: Caller
) -> None:
    """The call was made while tracing was on."""
    stream = caller.complete("hello", stream=True)
    mlflow.litellm.autolog(disable=True)
    caller.read(stream)
    assert answer_text(tracing.span()) == "You said: hello"


def test_plain_generator_keeps_its_kind(tracing: Traces, provider: LoopbackProvider) -> None:
    """Some of LiteLLM's providers return a generator instead of a stream wrapper."""
    stream = litellm.completion(
        model="text-completion-openai/gpt-3.5-turbo-instruct",
        messages=user("hi"),
        stream=True,
        mock_response="hello there",
    )
    assert inspect.isgenerator(stream) or isinstance(stream, litellm.CustomStreamWrapper)
    assert list(stream)
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)


@pytest.mark.skipif(
    not hasattr(litellm.CustomStreamWrapper, "aclose"), reason="LiteLLM closes no stream"
)
def test_closing_reaches_the_connection(tracing: Traces, provider: LoopbackProvider) -> None:
    """The provider sees the reader disconnect, as it does untraced."""
    caller = AsyncCaller(provider)
    provider.disconnected.clear()
    provider.release.clear()

    async def leave() -> None:
        stream = await litellm.acompletion(**caller.arguments("/hold-after 3", stream=True))
        await stream.__anext__()
        await stream.aclose()

    caller.run(leave)
    assert provider.disconnected.wait(10)
    provider.release.set()


class FakeStream:
    """A stream with context-manager methods, which LiteLLM's streams may get."""

    def __init__(self) -> None:
        self.left: list[str] = []

    def __iter__(self) -> FakeStream:
        return self

    def __next__(self) -> Any:
        return litellm.ModelResponseStream()

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.left.append("exit")


class FakeAsyncStream:
    """An async stream with async context-manager methods."""

    def __init__(self) -> None:
        self.left: list[str] = []

    def __aiter__(self) -> FakeAsyncStream:
        return self

    async def __anext__(self) -> Any:
        return litellm.ModelResponseStream()

    async def __aenter__(self) -> FakeAsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.left.append("aexit")


class StreamOfAnother:
    """A stream whose iterator is another object, like LiteLLM's with MCP tools."""

    def __init__(self, chunks: list[Any]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Any:
        return iter(self.chunks)

    async def __aiter__(self) -> Any:
        for chunk in self.chunks:
            yield chunk

    def __next__(self) -> Any:
        raise AssertionError

    async def __anext__(self) -> Any:
        raise AssertionError


@pytest.fixture
def opened(tracing: Traces) -> Iterator[Callable[[Any], Any]]:
    """Make ``litellm.open`` return its argument, through ``completion``'s wrapper."""
    litellm.open = lambda stream: stream
    patch = Patch(litellm, "open", wrapper_for(autolog.TARGETS[0], litellm.open), lambda: True)
    patch.apply()
    yield litellm.open
    patch.revert()
    del litellm.open


def test_loop_reads_what_the_stream_gives_to_loops(
    tracing: Traces, caller: Caller, opened: Callable[[Any], Any]
) -> None:
    """The stream's own ``__next__`` may be unusable."""
    chunks = [litellm.ModelResponseStream() for _ in range(3)]
    assert caller.read(litellm.open(StreamOfAnother(chunks))) == chunks
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)
    caller.read(litellm.open(StreamOfAnother(chunks)), most=2)
    assert ending(tracing.calls()[1]) == ("abandoned", SpanStatusCode.OK)


class CallingStream:
    """A stream that makes a call for each chunk, like LiteLLM's streams with tools."""

    def __init__(self) -> None:
        self.left = 2

    def __iter__(self) -> CallingStream:
        return self

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        self.left -= 1
        litellm.completion(MODEL, user("inner"), mock_response="hello")
        return litellm.ModelResponseStream()


def test_calls_that_a_stream_makes_are_below_it(
    tracing: Traces, opened: Callable[[Any], Any]
) -> None:
    """Calls that any stream makes are its children."""
    assert len(list(opened(CallingStream()))) == 2
    call, *inner = tracing.one().data.spans
    assert [span.parent_id for span in inner] == [call.span_id] * 2


def test_with_block_ends_the_span(tracing: Traces, opened: Callable[[Any], Any]) -> None:
    """The span ends with the block, and the stream's own ``__exit__`` runs."""
    fake = FakeStream()
    with opened(fake) as stream:
        assert stream.__class__ is FakeStream
        next(stream)
        assert tracing.all() == []
    assert fake.left == ["exit"]
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)


def test_async_with_block_ends_the_span(
    tracing: Traces, opened: Callable[[Any], Any], provider: LoopbackProvider
) -> None:
    """The span ends with the async block, and an async-only stream is no sync iterator."""
    fake = FakeAsyncStream()

    async def read() -> None:
        async with opened(fake) as stream:
            await stream.__anext__()

    AsyncCaller(provider).run(read)
    assert fake.left == ["aexit"]
    assert ending(tracing.span()) == ("abandoned", SpanStatusCode.OK)


def test_copy_of_a_stream_is_a_copy_of_litellms(tracing: Traces, caller: Caller) -> None:
    """An untraced stream can be copied, so a traced one can be too."""
    stream = caller.complete("hello", stream=True)
    assert type(copy.copy(stream)) is litellm.CustomStreamWrapper
    caller.read(stream)


def test_streams_opened_meanwhile_do_not_disturb_the_exit() -> None:
    """Other threads open streams until the process ends."""
    call_context = SimpleNamespace(span=None)
    records = [StreamRecord(call_context, None, str) for _ in range(1000)]
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for record in records:
                open_streams._open.add(record)
            for record in records:
                open_streams.discard(record)

    thread = threading.Thread(target=churn)
    thread.start()
    for _ in range(300):
        list(open_streams)
    stop.set()
    thread.join()


def test_nothing_is_kept_of_streams_that_are_over(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """After a collection, neither the stream nor its record exists, however the reading ended."""
    caller = SyncCaller(provider)
    alive = []
    for most in (None, 1, 2, 0):
        stream = caller.complete("/long 5", stream=True)
        alive.append(weakref.ref(stream))
        if most != 0:
            caller.read(stream, most)
        del stream
    gc.collect()  # LiteLLM's own frames and streams refer to one another.
    assert [reference() for reference in alive] == [None] * 4
    assert list(open_streams) == []
    assert len(tracing.all()) == 4
