"""Functions, coroutines and responses look the same to a program, traced or untraced."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import gc
import random
import weakref
from typing import TYPE_CHECKING, Any
from unittest import mock

import litellm
import mlflow
import pytest
from callers import MODEL, AsyncCaller, SyncCaller, user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provider import LoopbackProvider
    from traces import Traces


@pytest.fixture
def _seeded() -> Iterator[None]:
    state = random.getstate()
    yield
    random.setstate(state)


@pytest.mark.parametrize("name", ["__enter__", "__aenter__", "__len__", "__iter__", "__await__"])
def test_a_function_has_no_protocol_of_a_proxy(tracing: Traces, name: str) -> None:
    """A function lacks the special methods by which programs recognize other objects."""
    assert not hasattr(litellm.completion, name)


def test_a_function_is_of_no_further_kind(tracing: Traces) -> None:
    """``isinstance``, which checks the class and not the object, finds no other type."""
    kinds = [collections.abc.Sized, collections.abc.Iterable, collections.abc.Container]
    kinds += [collections.abc.Awaitable, contextlib.AbstractContextManager]
    assert not isinstance(litellm.completion, tuple(kinds))
    assert isinstance(litellm.completion, collections.abc.Callable)


def test_a_function_reads_as_one(traces: Traces) -> None:
    """The text of a traced function in logs and debuggers is that of the original."""
    before = repr(litellm.completion)
    mlflow.litellm.autolog()
    assert repr(litellm.completion) == before


@pytest.mark.parametrize("name", ["acompletion", "aembedding", "aresponses"])
def test_a_coroutine_has_the_name_of_its_function(tracing: Traces, name: str) -> None:
    """The coroutine has the function's name, which Python's warning for a missing await has."""
    coroutine = getattr(litellm, name)(model=MODEL)
    coroutine.close()
    assert (coroutine.__name__, coroutine.__qualname__) == (name, name)


async def generated(answer: Any) -> Any:
    """Return the result of Gemini's function if a mock replaces LiteLLM's HTTP client."""
    target = "litellm.google_genai.main.base_llm_http_handler.generate_content_handler"
    with mock.patch(target, answer):
        return await litellm.google_genai.agenerate_content_stream(
            model="gemini/gemini-2.0-flash", contents="hi", api_key="none"
        )


def test_a_mock_is_answered_as_it_is(tracing: Traces) -> None:
    """A mock is returned as it is. It has every method, but is not a stream."""
    answer = mock.AsyncMock()
    assert asyncio.run(generated(answer)) is answer.return_value
    assert tracing.span().status.status_code == "OK"


def test_a_mock_is_not_asked(traces: Traces) -> None:
    """A mock is not accessed, as it records each access, and tests check these records."""
    untraced, traced = mock.AsyncMock(), mock.AsyncMock()
    asyncio.run(generated(untraced))
    mlflow.litellm.autolog()
    asyncio.run(generated(traced))
    assert len(traced.mock_calls) == len(untraced.mock_calls)


def test_nothing_is_printed_of_a_model_that_nobody_knows(
    tracing: Traces, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LiteLLM, which prints at each lookup of an unknown model's provider, prints no more lines."""
    monkeypatch.setattr(litellm, "suppress_debug_info", False)
    failing = {"model": MODEL, "api_key": "none", "mock_response": "litellm.RateLimitError"}
    models = [{"model_name": "no-such-model", "litellm_params": failing}]
    router = litellm.Router(model_list=models, num_retries=0)
    with pytest.raises(litellm.RateLimitError):
        router.completion("no-such-model", user("hi"))
    assert "Provider List" not in capsys.readouterr().out


@pytest.mark.usefixtures("_seeded")
@pytest.mark.parametrize("is_first", [True, False])
def test_random_numbers_stay_those_of_their_seed(traces: Traces, *, is_first: bool) -> None:
    """Span ids do not use the program's random numbers, also if the first span is made by hand."""
    mlflow.tracing.reset()
    if not is_first:
        mlflow.start_span_no_context("by hand").end()
    mlflow.litellm.autolog()
    random.seed(1)
    before = random.getstate()
    litellm.completion(MODEL, user("hi"), mock_response="x")
    assert random.getstate() == before


@pytest.mark.usefixtures("_seeded")
def test_runs_with_one_seed_have_traces_of_their_own(tracing: Traces) -> None:
    """Two runs of a script with one seed have two separate traces."""
    for _ in range(2):
        random.seed(1)
        litellm.completion(MODEL, user("hi"), mock_response="x")
    assert len(tracing.all()) == 2


@pytest.mark.parametrize("kind", [SyncCaller, AsyncCaller])
def test_a_call_that_failed_again_keeps_nothing_of_its_caller(
    tracing: Traces, provider: LoopbackProvider, kind: type[SyncCaller | AsyncCaller]
) -> None:
    """A failed retry keeps nothing of its caller's context in LiteLLM's threads and tasks."""

    class Mine:
        pass

    def call() -> weakref.ref[Mine]:
        mine = Mine()
        with contextlib.suppress(litellm.InternalServerError, litellm.APIError):
            kind(provider).complete("/error 500", num_retries=1)
        return weakref.ref(mine)

    watched = call()
    gc.collect()
    assert watched() is None
