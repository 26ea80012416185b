"""The span's position in its trace: parents, siblings, threads and other integrations."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, SERVER_ERROR, AsyncCaller, SyncCaller, user
from litellm.llms.openai import openai
from mlflow.entities import SpanStatusCode

from mlflow_litellm._common.patching import Patch
from mlflow_litellm._instrumentation import autolog
from mlflow_litellm._instrumentation.wrapper import wrapper_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callers import Caller
    from mlflow.entities import Trace
    from provider import LoopbackProvider
    from traces import Traces


@pytest.fixture
def openai_autolog() -> Iterator[None]:
    """Make MLflow trace the OpenAI SDK, which LiteLLM calls for such models."""
    # LiteLLM caches clients, and a client keeps the methods of its first call.
    litellm.in_memory_llm_clients_cache.flush_cache()
    mlflow.openai.autolog()
    yield
    mlflow.openai.autolog(disable=True)
    litellm.in_memory_llm_clients_cache.flush_cache()


def total_tokens(trace: Trace) -> int:
    """Return the tokens that MLflow counts for a whole trace."""
    return trace.info.token_usage["total_tokens"]


def test_call_is_a_child_of_the_active_span(tracing: Traces, caller: Caller) -> None:
    """The call starts after its parent and ends before it."""
    with mlflow.start_span("parent"):
        caller.complete("hello")
    parent, call = tracing.one().data.spans
    assert call.parent_id == parent.span_id
    assert parent.start_time_ns <= call.start_time_ns <= call.end_time_ns <= parent.end_time_ns


def test_call_inside_a_traced_function_is_its_child(tracing: Traces, caller: Caller) -> None:
    """The application's spans and LiteLLM's calls are one trace, as the documentation shows."""

    @mlflow.trace(span_type="AGENT")
    def agent() -> None:
        caller.complete("one")
        caller.complete("two")

    agent()
    trace = tracing.one()
    root, *calls = trace.data.spans
    assert root.span_type == "AGENT"
    assert [call.parent_id for call in calls] == [root.span_id] * 2
    assert total_tokens(trace) == sum(
        call.attributes["mlflow.chat.tokenUsage"]["total_tokens"] for call in calls
    )


def test_calls_one_after_the_other_are_traces_of_their_own(tracing: Traces, caller: Caller) -> None:
    """No call leaves its span current for the next call."""
    for _ in range(3):
        caller.complete("hello")
    assert [len(trace.data.spans) for trace in tracing.all()] == [1, 1, 1]


@pytest.mark.skipif(
    "completions.with_raw_response.create" not in inspect.getsource(openai),
    reason="LiteLLM calls OpenAI's client below what MLflow traces",
)
@pytest.mark.parametrize("stream", [False, True])
def test_span_of_the_providers_sdk_is_a_child_and_counted_once(
    stream: bool, tracing: Traces, caller: Caller, openai_autolog: None
) -> None:
    """With ``mlflow.openai.autolog()`` on, there is one trace, and tokens are counted once."""
    asked = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    result = caller.complete("hello", **asked)
    if stream:
        caller.read(result)
    trace = tracing.one()
    call, inner = trace.data.spans
    assert inner.parent_id == call.span_id
    assert total_tokens(trace) == call.attributes["mlflow.chat.tokenUsage"]["total_tokens"]


@pytest.mark.parametrize("stream", [False, True])
def test_fifty_concurrent_calls_are_fifty_children(
    stream: bool, tracing: Traces, provider: LoopbackProvider
) -> None:
    """``gather`` of n calls gives n siblings, one of them failed."""
    caller = AsyncCaller(provider)
    texts = [f"call {i}" for i in range(49)] + ["/error 500"]

    async def ask(text: str) -> None:
        result = await litellm.acompletion(**caller.arguments(text, stream=stream))
        if stream:
            async for _ in result:
                pass

    async def ask_all() -> list[Any]:
        with mlflow.start_span("parent"):
            return await asyncio.gather(*map(ask, texts), return_exceptions=True)

    results = caller.run(ask_all)
    root, *calls = tracing.one().data.spans
    assert {call.parent_id for call in calls} == {root.span_id}
    assert {call.inputs["messages"][0]["content"] for call in calls} == set(texts)
    failed = [call for call in calls if call.status.status_code == SpanStatusCode.ERROR]
    assert len(failed) == sum(isinstance(result, Exception) for result in results) == 1


def test_failing_calls_cost_concurrent_ones_no_trace(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """MLflow's own patching layer loses such traces: its session is the whole process's."""
    caller = AsyncCaller(provider)
    provider.arrived.clear()
    provider.release.clear()

    async def overlap() -> None:
        slow = asyncio.create_task(litellm.acompletion(**caller.arguments("/hold | slow")))
        await asyncio.to_thread(provider.arrived.wait, 10)
        with pytest.raises(SERVER_ERROR):
            await litellm.acompletion(**caller.arguments("/error 500"))
        await litellm.acompletion(**caller.arguments("after"))
        provider.release.set()
        await slow

    caller.run(overlap)
    assert len(tracing.all()) == 3


def test_threads_without_context_make_traces_of_their_own(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """A plain pool carries no context, so each call is a root, and none is lost."""
    caller = SyncCaller(provider)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(caller.complete, [f"call {i}" for i in range(20)]))
    assert [len(trace.data.spans) for trace in tracing.all()] == [1] * 20


def test_thread_with_the_callers_context_nests(tracing: Traces, provider: LoopbackProvider) -> None:
    """``copy_context().run`` carries the parent over."""
    with mlflow.start_span("parent"), ThreadPoolExecutor(1) as pool:
        context = contextvars.copy_context()
        pool.submit(context.run, SyncCaller(provider).complete, "hello").result()
    root, call = tracing.one().data.spans
    assert call.parent_id == root.span_id


def test_coroutine_takes_its_parent_where_it_is_awaited(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """The parent is the span that is current at the await; an unawaited coroutine leaves none."""
    caller = AsyncCaller(provider)

    async def late() -> None:
        call = litellm.acompletion(**caller.arguments("hello"))
        with mlflow.start_span("parent"):
            await call
        litellm.acompletion(**caller.arguments("never")).close()

    caller.run(late)
    root, call = tracing.one().data.spans
    assert call.parent_id == root.span_id


def by_decorator(work: Callable[[], Any]) -> Any:
    """Run work in a traced function."""
    return mlflow.trace(name="parent")(work)()


def by_hand(work: Callable[[], Any]) -> Any:
    """Run work below a span that is started by hand."""
    with mlflow.start_span("parent"):
        return work()


def by_call(work: Callable[[], Any]) -> Any:
    """Run work in a callback of LiteLLM's, during a call."""
    results: list[Any] = []
    asked = {"model": MODEL, "messages": user("parent"), "mock_response": "hello"}
    litellm.completion(**asked, logger_fn=lambda _: results.append(work()))
    return results[0]


@pytest.mark.parametrize("below", [by_decorator, by_hand, by_call])
def test_work_that_outlives_its_trace_has_traces_that_say_so(
    below: Callable[[Callable[[], Any]], Any], tracing: Traces, provider: LoopbackProvider
) -> None:
    """MLflow has sent the trace, and a call below its span starts a trace that names that span."""
    context = below(contextvars.copy_context)
    [parent] = tracing.one().data.spans
    caller = SyncCaller(provider)
    for _ in range(2):
        context.run(caller.complete, "late")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(context.run, by_hand, lambda: caller.complete("nested")).result()
    late = [span for span in tracing.calls() if "late" in str(span.inputs)]
    assert [span.parent_id for span in late] == [None, None]
    assert len({span.trace_id for span in late}) == 2
    for span in late:
        assert span.attributes["ended_trace_id"] == parent.trace_id
        assert span.attributes["ended_span_id"] == parent.span_id
    assert "ended_trace_id" not in parent.attributes


def test_task_that_outlives_its_endpoint_is_traced(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """A server's background task that makes its first call after the response is traced."""
    caller = AsyncCaller(provider)

    async def serve() -> None:
        answered = asyncio.Event()

        async def work() -> None:
            await answered.wait()
            await litellm.acompletion(**caller.arguments("late"))

        with mlflow.start_span("endpoint"):
            task = asyncio.create_task(work())
            await litellm.acompletion(**caller.arguments("early"))
        mlflow.flush_trace_async_logging()
        answered.set()
        await task

    caller.run(serve)
    endpoint, late = sorted(tracing.all(), key=lambda trace: len(trace.data.spans), reverse=True)
    assert len(endpoint.data.spans) == 2
    [span] = late.data.spans
    assert span.attributes["ended_trace_id"] == endpoint.info.trace_id


def test_context_of_late_work_is_kept(tracing: Traces, provider: LoopbackProvider) -> None:
    """Only the span leaves the context: tracing stays off if the context switches it off."""

    def work() -> Any:
        with mlflow.tracing.context(enabled=False):
            return contextvars.copy_context()

    context = by_hand(work)
    mlflow.flush_trace_async_logging()
    context.run(SyncCaller(provider).complete, "late")
    assert [span.name for span in tracing.one().data.spans] == ["parent"]


def test_span_is_active_during_the_call(tracing: Traces, caller: Caller) -> None:
    """A span that starts during the call, here in the user's logger, is a child of the call's."""

    @mlflow.trace
    def note(details: dict[str, Any]) -> None: ...

    caller.complete("hello", logger_fn=note)
    spans = {span.name: span for span in tracing.one().data.spans}
    assert spans["note"].parent_id == spans[caller.span_name].span_id


def test_responses_bridge_accepts_the_traced_stream(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """LiteLLM's bridge raises for a stream that is no ``CustomStreamWrapper``."""
    known = {k: v for k, v in SyncCaller(provider).arguments("").items() if k.startswith("api_")}
    stream = litellm.responses(model="groq/gemma2-9b-it", input="hello", stream=True, **known)
    assert "said" in str(list(stream))
    assert [call.name for call in tracing.calls()] == ["litellm-responses"]


@pytest.fixture
def coroutine_door(tracing: Traces, provider: LoopbackProvider) -> Iterator[None]:
    """Put ``completion``'s wrapper on ``litellm.ask``, which returns a coroutine."""

    async def answer(**kwargs: Any) -> Any:
        return await autolog.target_patches()[1].original(**kwargs)

    litellm.ask = lambda **kwargs: answer(**kwargs)  # noqa: PLW0108 - Not async itself.
    patch = Patch(litellm, "ask", wrapper_for(autolog.TARGETS[0], litellm.ask), lambda: True)
    patch.apply()
    yield
    patch.revert()
    del litellm.ask


def test_call_that_gives_a_coroutine_is_traced_when_awaited(
    tracing: Traces, provider: LoopbackProvider, coroutine_door: None
) -> None:
    """``completion`` with MCP tools returns a coroutine, though it is no coroutine function."""
    caller = AsyncCaller(provider)
    caller.run(lambda: litellm.ask(**caller.arguments("hello")))
    with pytest.raises(litellm.RateLimitError):
        caller.run(lambda: litellm.ask(**caller.arguments("/error 429")))
    states = [call.status.status_code for call in tracing.calls()]
    assert states == [SpanStatusCode.OK, SpanStatusCode.ERROR]


def test_coroutine_may_give_a_stream(
    tracing: Traces, provider: LoopbackProvider, coroutine_door: None
) -> None:
    """If the coroutine returns a stream, the span ends with the stream."""
    caller = AsyncCaller(provider)
    stream = caller.run(lambda: litellm.ask(**caller.arguments("hello", stream=True)))
    assert tracing.all() == []
    caller.read(stream)
    assert tracing.span().attributes["stream_end"] == "finished"


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_coroutine_that_is_never_awaited_leaves_no_open_span(
    tracing: Traces, provider: LoopbackProvider, coroutine_door: None
) -> None:
    """The coroutine leaves no open span, which would keep the parent's trace from export."""
    with mlflow.start_span("parent"):
        litellm.ask(**AsyncCaller(provider).arguments("hello"))
    assert len(tracing.one().data.spans) == 2
