"""The printed stack trace of a failed call has no frame of tracing, as untraced."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from callers import SyncCaller, user
from traces import exception_event

import mlflow_litellm
from mlflow_litellm._tracing.stack_traces import stack_trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from provider import LoopbackProvider
    from traces import Traces

ASKED: dict[str, Any] = {"model": "gpt-4o-mini", "messages": user("hello")}
ERROR = litellm.AuthenticationError("who are you", "openai", "gpt-4o-mini")
FAILING: dict[str, Any] = {**ASKED, "mock_response": ERROR}
FOLDER = str(mlflow_litellm.__path__[0])


def router() -> litellm.Router:
    """Return a Router whose only deployment fails."""
    failing = {**ASKED, "mock_response": "litellm.InternalServerError"}
    return litellm.Router([{"model_name": "gpt-4o-mini", "litellm_params": failing}], num_retries=0)


async def astream(caller: SyncCaller) -> list[Any]:
    """Read a stream that breaks."""
    stream = await litellm.acompletion(**caller.arguments("/break 2", stream=True))
    return [chunk async for chunk in stream]


WAYS: dict[str, Callable[[SyncCaller], Any]] = {
    "sync": lambda _: litellm.completion(**FAILING),
    "async": lambda _: asyncio.run(litellm.acompletion(**FAILING)),
    "router": lambda _: router().completion(**ASKED),
    "async router": lambda _: asyncio.run(router().acompletion(**ASKED)),
    "stream": lambda caller: caller.stream("/break 2"),
    "async stream": lambda caller: asyncio.run(astream(caller)),
}


@pytest.mark.parametrize("way", WAYS)
def test_stack_trace_has_no_frame_of_tracing(
    way: str, tracing: Traces, provider: LoopbackProvider
) -> None:
    """The first printed frame is not a wrapper's. The exception itself keeps all frames."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - Each way has its own.
        WAYS[way](SyncCaller(provider))
    for span in tracing.one().data.spans:
        text = exception_event(span)["exception.stacktrace"]
        assert "Traceback" in text
        assert FOLDER not in text
        assert "wrapt" not in text
    assert FOLDER in "".join(traceback.format_exception(raised.value))


def failing_below() -> None:
    """Raise an exception whose cause is a failed call."""
    try:
        litellm.completion(**FAILING)
    except Exception as error:
        msg = "no answer"
        raise RuntimeError(msg) from error


@pytest.mark.usefixtures("tracing")
def test_stack_traces_of_causes_have_none_either() -> None:
    """Stack traces of causes have no frame of tracing, and the rest is as Python prints it."""
    with pytest.raises(RuntimeError) as raised:
        failing_below()
    text = stack_trace(raised.value)
    assert "The above exception was the direct cause" in text
    assert "failing_below" in text
    assert FOLDER not in text


def test_stack_trace_is_pythons_own_otherwise() -> None:
    """The stack trace of an exception that has passed no wrapper is Python's own."""
    with pytest.raises(ValueError, match="x") as raised:
        int("x")
    assert stack_trace(raised.value) == "".join(traceback.format_exception(raised.value)).strip()
