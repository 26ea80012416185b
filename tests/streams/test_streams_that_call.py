"""Calls that a stream makes while it is read are its call's children, in one trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, AsyncCaller, SyncCaller
from traces import ending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from callers import Caller
    from provider import LoopbackProvider
    from traces import Traces

COUNTED = {"stream": True, "stream_options": {"include_usage": True}}


@mlflow.trace
def note(text: str) -> str:
    """Return the text, as a traced function of the user's."""
    return text


def passed_on(chunk: Any) -> dict[str, Any]:
    """Return a chunk in the format that LiteLLM expects from a custom provider."""
    text = (chunk.choices[0].delta.content if chunk.choices else None) or ""
    return {
        "text": note(text),
        "is_finished": False,
        "finish_reason": "",
        "index": 0,
        "tool_use": None,
        "usage": None,
    }


class Forwarding(litellm.CustomLLM):
    """A provider that streams another model, as in LiteLLM's documentation."""

    def __init__(self, provider: LoopbackProvider) -> None:
        super().__init__()
        self.asked = {**SyncCaller(provider).arguments("/long 5"), **COUNTED}

    def streaming(self, *_: Any, **__: Any) -> Iterator[Any]:
        for chunk in litellm.completion(**self.asked):
            yield passed_on(chunk)

    async def astreaming(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        async for chunk in await litellm.acompletion(**self.asked):
            yield passed_on(chunk)


@pytest.fixture
def custom(
    tracing: Traces, provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Return the arguments for a call of the custom provider."""
    handlers = [{"provider": "forwarding", "custom_handler": Forwarding(provider)}]
    monkeypatch.setattr(litellm, "custom_provider_map", handlers)
    return {"model": "forwarding/any", "stream": True}


def test_custom_provider_that_streams_another_model_is_one_trace(
    tracing: Traces, caller: Caller, custom: dict[str, Any]
) -> None:
    """The inner call and other traced functions are children; tokens are counted once."""
    caller.read(caller.complete("hello", **custom))
    trace = tracing.one()
    call, *below = trace.data.spans
    [inner] = [span for span in below if span.name == caller.span_name]
    assert {span.parent_id for span in below} == {call.span_id}
    assert "note" in {span.name for span in below}
    assert inner.inputs["model"] == MODEL
    assert ending(call)[0] == ending(inner)[0] == "finished"
    counted = call.attributes.get("mlflow.chat.tokenUsage")
    usage = counted or inner.attributes["mlflow.chat.tokenUsage"]
    assert trace.info.token_usage["total_tokens"] == usage["total_tokens"]


def test_break_ends_both_streams(tracing: Traces, caller: Caller, custom: dict[str, Any]) -> None:
    """No span stays current for the reader's next call."""
    stream = caller.complete("hello", **custom)
    caller.read(stream, most=2)
    del stream
    caller.complete("next", mock_response="hello")
    left, after = tracing.all()
    endings = [span.attributes["stream_end"] for span in left.data.spans if span.name != "note"]
    assert endings == ["abandoned", "abandoned"]
    assert len(after.data.spans) == 1


def test_call_between_two_chunks_is_the_readers(
    tracing: Traces, caller: Caller, custom: dict[str, Any]
) -> None:
    """The parent of such a call is the reader's current span."""
    with mlflow.start_span("reader") as reader:
        stream = caller.complete("hello", **custom)
        caller.next(stream)
        caller.complete("between", mock_response="hello")
        caller.read(stream)
    between = [span for span in tracing.calls() if "between" in str(span.inputs)]
    assert [span.parent_id for span in between] == [reader.span_id]


def test_async_reader_is_read_in_turns(
    tracing: Traces, provider: LoopbackProvider, custom: dict[str, Any]
) -> None:
    """Two streams that are read in turns in one task keep their own calls."""
    caller = AsyncCaller(provider)
    streams = [caller.complete(f"outer {i}", **custom) for i in range(2)]

    async def read() -> None:
        for _ in range(2):
            for stream in streams:
                await stream.__anext__()
        for stream in streams:
            async for _ in stream:
                pass

    caller.run(read)
    shapes = [[span.name for span in trace.data.spans] for trace in tracing.all()]
    assert [names.count(caller.span_name) for names in shapes] == [2, 2]


def test_stream_that_a_provider_has_left_ends_with_its_call(
    tracing: Traces, provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inner stream ends, although the provider still refers to it."""

    class Peeking(Forwarding):
        def streaming(self, *_: Any, **__: Any) -> Iterator[Any]:
            self.held = litellm.completion(**self.asked)
            for chunk in self.held:
                yield passed_on(chunk)
                break

    handlers = [{"provider": "peeking", "custom_handler": Peeking(provider)}]
    monkeypatch.setattr(litellm, "custom_provider_map", handlers)
    SyncCaller(provider).stream("hello", model="peeking/any")
    call, inner = tracing.calls()
    assert (ending(call)[0], ending(inner)[0]) == ("finished", "abandoned")
    assert inner.parent_id == call.span_id
