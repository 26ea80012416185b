"""LiteLLM's inner calls are recognised under other libraries' wrappers on top of ours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import litellm
import pytest
import wrapt
from callers import MODEL, AsyncCaller, user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow.entities import Span
    from provider import LoopbackProvider
    from traces import Traces

TOGETHER = "together_ai/mistralai/Mixtral-8x7B-Instruct-v0.1"


def as_function(function: Any) -> Any:
    """Return a wrapper without a reference to the function."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def as_coroutine_function(function: Any) -> Any:
    """Return a wrapper that is async if the function is."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper if asyncio.iscoroutinefunction(function) else as_function(function)


def by_wrapt(function: Any) -> Any:
    """Return a proxy that calls a function of its own."""

    def wrapper(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    return wrapt.FunctionWrapper(function, wrapper)


def by_contextlib(function: Any) -> Any:
    """Return a function whose code is Python's own."""

    @contextlib.contextmanager
    def block() -> Iterator[None]:
        yield

    return block()(function)


def twice(function: Any) -> Any:
    """Return one wrapper on top of another."""
    return as_function(by_wrapt(function))


@pytest.fixture(params=[as_function, as_coroutine_function, by_wrapt, by_contextlib, twice])
def wrap(
    request: pytest.FixtureRequest, tracing: Traces, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Any, str], None]:
    """Return a function that puts a wrapper on a traced name."""

    def wrap(holder: Any, name: str) -> None:
        monkeypatch.setattr(holder, name, request.param(vars(holder)[name]))

    return wrap


def names(spans: list[Span]) -> list[str]:
    """Return the names of spans."""
    return [span.name for span in spans]


def test_batch_is_one_trace(tracing: Traces, wrap: Callable[[Any, str], None]) -> None:
    """The thread pool's method and the called function are both wrapped."""
    wrap(ThreadPoolExecutor, "submit")
    wrap(litellm, "completion")
    litellm.batch_completion(MODEL, [user("one"), user("two")], mock_response="hello")
    batch, *calls = tracing.one().data.spans
    assert names(calls) == ["litellm-completion"] * 2
    assert {call.parent_id for call in calls} == {batch.span_id}
    assert batch.attributes["inner_calls"] == 2


def test_fallback_in_a_running_loop_is_one_trace(
    tracing: Traces, wrap: Callable[[Any, str], None]
) -> None:
    """LiteLLM makes the attempts in a thread."""
    wrap(ThreadPoolExecutor, "submit")
    wrap(litellm, "acompletion")

    async def main() -> None:
        litellm.completion(MODEL, user("hello"), mock_response="hello", fallbacks=[MODEL])

    asyncio.run(main())
    call, attempt = tracing.one().data.spans
    assert names([call, attempt]) == ["litellm-completion", "litellm-acompletion"]
    assert attempt.parent_id == call.span_id
    assert call.attributes["inner_calls"] == 1


def test_bridged_call_is_one_span(
    tracing: Traces, wrap: Callable[[Any, str], None], provider: LoopbackProvider
) -> None:
    """The sync call and the async call have one span each."""
    wrap(litellm, "completion")
    wrap(litellm, "acompletion")
    known = {"api_base": provider.openai_base, "api_key": "sk-very-secret"}
    asked = {"model": TOGETHER, "input": "hello", **known}
    litellm.responses(**asked)
    AsyncCaller(provider).run(lambda: litellm.aresponses(**asked))
    assert names(tracing.calls()) == ["litellm-responses", "litellm-aresponses"]


def test_retried_call_has_its_attempts(tracing: Traces, wrap: Callable[[Any, str], None]) -> None:
    """Another library calls the function for LiteLLM."""
    wrap(litellm.main, "completion")
    asked = {"num_retries": 2, "mock_response": "hello"}
    litellm.completion_with_retries(MODEL, user("hello"), **asked)
    call, attempt = tracing.one().data.spans
    assert attempt.parent_id == call.span_id
    assert call.attributes["inner_calls"] == 1


class Asking(litellm.CustomLLM):
    """A user's provider that calls another model, also in a thread of its own."""

    def completion(self, *_: Any, **__: Any) -> Any:
        asked = {"model": MODEL, "messages": user("inner"), "mock_response": "hello"}
        with ThreadPoolExecutor(1) as executor:
            executor.submit(litellm.completion, **asked).result()
        return litellm.completion(**asked)


def test_call_of_a_users_callback_stays_the_users(
    tracing: Traces, wrap: Callable[[Any, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call has a span; one in a thread without context has a trace of its own."""
    handlers = [{"provider": "asking", "custom_handler": Asking()}]
    monkeypatch.setattr(litellm, "custom_provider_map", handlers)
    litellm.utils.custom_llm_setup()
    wrap(litellm, "completion")
    wrap(ThreadPoolExecutor, "submit")
    litellm.completion("asking/model", user("outer"))
    sizes = sorted(len(trace.data.spans) for trace in tracing.all())
    assert sizes == [1, 2]
    assert not any("inner_calls" in call.attributes for call in tracing.calls())
