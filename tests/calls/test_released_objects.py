"""A call keeps no object of the user's longer than necessary."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
from callers import MODEL, SyncCaller, user

from mlflow_litellm._instrumentation.context import CallContext
from mlflow_litellm._instrumentation.targets import TARGETS
from mlflow_litellm._tracing.span import CallSpan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provider import LoopbackProvider
    from traces import Traces


class Messages(list[Any]):
    """Messages that count how often they are read."""

    reads = 0

    def __iter__(self) -> Iterator[Any]:
        self.reads += 1
        return super().__iter__()


class Result:
    """A result of a call that can be weakly referenced."""


def reads_of_a_call() -> int:
    """Return how often the messages of a call are read."""
    messages = Messages(user("hi"))
    litellm.completion(model=MODEL, messages=messages, mock_response="hello")
    return messages.reads


def state_of(stream: Any) -> Any:
    """Return the state of a traced stream."""
    return object.__getattribute__(stream, "_self_record")


def test_request_is_not_read_if_nothing_is_recorded(traces: Traces) -> None:
    """MLflow returns a span that does nothing, and the request is not read."""
    reads_of_a_call()
    untraced = reads_of_a_call()
    mlflow.litellm.autolog()
    with mlflow.tracing.context(enabled=False):
        assert reads_of_a_call() == untraced
    assert reads_of_a_call() > untraced


def test_open_stream_keeps_no_messages(tracing: Traces, provider: LoopbackProvider) -> None:
    """A program may keep a stream for a long time."""
    stream = SyncCaller(provider).complete("/long 5", stream=True)
    arguments = state_of(stream)._accumulator._arguments
    assert arguments["model"] == MODEL
    assert "messages" not in arguments
    stream.close() if hasattr(stream, "close") else list(stream)


def test_ended_stream_keeps_no_further_chunks(tracing: Traces, provider: LoopbackProvider) -> None:
    """A program may read on after the stream's span has ended."""
    stream = SyncCaller(provider).complete("/long 5", stream=True)
    next(stream)
    state = state_of(stream)
    state.abandon()
    assert list(stream)
    assert state.chunks == 1


def test_ended_call_keeps_no_results_of_inner_calls() -> None:
    """Copies of the context keep the call for as long as a task of LiteLLM's runs."""
    call = CallContext(CallSpan("any", "LLM"), TARGETS[0])
    before, after = Result(), Result()
    references = [weakref.ref(before), weakref.ref(after)]
    call.add_inner_result(before)
    call.resolve_outcome(before)
    call.add_inner_result(after)
    del before, after
    gc.collect()
    assert [reference() for reference in references] == [None, None]
