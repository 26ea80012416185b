"""Ctrl-C and ``sys.exit()`` during a call reach the caller unchanged, and end the span."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from breakable import BREAKABLE, raising
from callers import SyncCaller, user
from children import succeed
from faults import Ways, seen
from mlflow.entities import SpanStatusCode
from traces import exception_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from litellm.types.utils import GenericStreamingChunk
    from provider import LoopbackProvider
    from traces import Traces

CHUNK: GenericStreamingChunk = {
    "text": "hello",
    "is_finished": False,
    "finish_reason": "",
    "index": 0,
    "tool_use": None,
    "usage": None,
}


class Interrupting(litellm.CustomLLM):
    """A provider that raises `error` at once, or after a chunk of a stream."""

    error: BaseException

    def completion(self, *_: Any, **__: Any) -> Any:
        raise self.error

    async def acompletion(self, *_: Any, **__: Any) -> Any:
        raise self.error

    def streaming(self, *_: Any, **__: Any) -> Iterator[GenericStreamingChunk]:
        yield CHUNK
        raise self.error

    async def astreaming(self, *_: Any, **__: Any) -> AsyncIterator[GenericStreamingChunk]:
        yield CHUNK
        raise self.error


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> Interrupting:
    """Register the provider in LiteLLM."""
    provider = Interrupting()
    known = [{"provider": "interrupting", "custom_handler": provider}]
    monkeypatch.setattr(litellm, "custom_provider_map", known)
    return provider


ASKED: dict[str, Any] = {"model": "interrupting/model", "messages": user("hello")}


async def astream() -> list[Any]:
    """Read a stream to its end, in a separate event loop."""
    return [chunk async for chunk in await litellm.acompletion(**ASKED, stream=True)]


INTERRUPTED: dict[str, Callable[[], Any]] = {
    "sync": lambda: litellm.completion(**ASKED),
    "async": lambda: asyncio.run(litellm.acompletion(**ASKED)),
    "stream": lambda: list(litellm.completion(**ASKED, stream=True)),
    "async stream": lambda: asyncio.run(astream()),
}


@pytest.mark.parametrize("error", [KeyboardInterrupt("now"), SystemExit(3)], ids=repr)
@pytest.mark.parametrize("way", INTERRUPTED)
def test_interruption_is_the_very_same(
    way: str, error: BaseException, interrupting: Interrupting, tracing: Traces
) -> None:
    """The caller gets the same exception object, and the span records it."""
    interrupting.error = error
    with pytest.raises(type(error)) as raised:
        INTERRUPTED[way]()
    assert raised.value is error
    assert tracing.span().status.status_code == SpanStatusCode.ERROR
    assert exception_event(tracing.span())["exception.type"] == type(error).__name__


class SignalledError(KeyboardInterrupt):
    """Differs from SIGINT's exception, which would end the tests if it was raised too late."""


# The functions in which a thread waits for the network, sync and async. In other places, such as a
# finalizer, Python may ignore a handler's exception.
WAITING = {"read", "select"}


@pytest.fixture
def signalled(provider: LoopbackProvider) -> Iterator[SignalledError]:
    """Send a signal to this thread as soon as it waits for a delayed response."""
    error = SignalledError()
    raised = threading.Event()

    def interrupt(_: int, frame: Any) -> None:
        if frame.f_code.co_name in WAITING and not raised.is_set():
            raised.set()
            raise error

    def send() -> None:
        assert provider.arrived.wait(60)
        while not raised.wait(0.02):
            os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    provider.arrived.clear()
    provider.release.clear()
    exporting = threading.Thread(target=send)
    exporting.start()
    yield error
    raised.set()
    provider.release.set()
    exporting.join()
    signal.signal(signal.SIGUSR1, before)


async def aread(caller: SyncCaller, text: str) -> list[Any]:
    """Read a stream to its end."""
    stream = await litellm.acompletion(**caller.arguments(text, stream=True))
    return [chunk async for chunk in stream]


SIGNALLED: dict[str, Callable[[SyncCaller], Any]] = {
    "sync": lambda caller: caller.complete("/hold"),
    "async": lambda caller: asyncio.run(litellm.acompletion(**caller.arguments("/hold"))),
    "stream": lambda caller: caller.stream("/hold-after 2"),
    "async stream": lambda caller: asyncio.run(aread(caller, "/hold-after 2")),
}


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no such signals")
@pytest.mark.parametrize("way", SIGNALLED)
def test_signal_in_mid_call_interrupts_it(
    way: str, signalled: SignalledError, tracing: Traces, provider: LoopbackProvider
) -> None:
    """A signal while a call waits for its response, such as Ctrl-C, ends the call with a trace."""
    with pytest.raises(SignalledError) as raised:
        SIGNALLED[way](SyncCaller(provider))
    assert raised.value is signalled
    # asyncio cancels the task whose loop the signal interrupted.
    kind = "CancelledError" if way.startswith("async") else "SignalledError"
    assert tracing.span().status.status_code == SpanStatusCode.ERROR
    assert exception_event(tracing.span())["exception.type"] == kind


@pytest.fixture(scope="module")
def ways(provider: LoopbackProvider) -> Ways:
    """Return every way to call LiteLLM, with its untraced outcome."""
    return Ways(provider)


def interruption(call: Callable[[], Any]) -> KeyboardInterrupt | None:
    """Return the exception that interrupts a call, or None."""
    try:
        seen(call)
    except KeyboardInterrupt as error:
        return error
    return None


@pytest.mark.parametrize("what", BREAKABLE)
def test_interruption_within_mlflow_reaches_the_caller(
    what: str, ways: Ways, tracing: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption inside MLflow reaches the caller unchanged, and later calls are traced."""
    error = KeyboardInterrupt()
    with monkeypatch.context() as patched:
        patched.setattr(*BREAKABLE[what], raising(what, error))
        for way in ("sync", "stream", "failure"):
            assert interruption(ways.calls[way]) in {None, error}
    ways.assert_traced(tracing)


# Raises at each line of a call that begins or ends something. In a block that makes a span
# current, also at the exit of the block. Python ignores exceptions of finalizers.
AT_EVERY_LINE = """
    import asyncio, contextvars, gc, json, os, sys
    from collections import Counter
    import litellm, mlflow
    from passed_lines import passed_lines

    gc.disable()  # Lines that pass as garbage is collected are nobody's.

    CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}],
            "mock_response": "hello"}
    ended = []
    mlflow.litellm.autolog()
    mlflow.tracing.configure(span_processors=[ended.append])
    loop = asyncio.new_event_loop()

    ROOMS = {"_instrumentation.context", "_instrumentation.decision", "_instrumentation.stream",
             "_instrumentation.stream_state", "_instrumentation.wrapper", "_tracing.guard",
             "_tracing.span", "_tracing.store.experiment"}
    LEFT = ("wrapper.py", "context.py", "span.py")

    class Interrupt(KeyboardInterrupt):
        pass

    class Raiser:
        def __neg__(self):
            raise Interrupt

    def is_ours(frame):
        return frame.f_globals.get("__name__", "").removeprefix("mlflow_litellm.") in ROOMS

    def lines(way, at=None):
        try:
            return passed_lines(way, is_ours, at, Raiser())
        except Interrupt:
            return "interrupted"

    async def acall():
        return await litellm.acompletion(**CALL)

    WAYS = {
        "sync": lambda: litellm.completion(**CALL),
        "async": lambda: loop.run_until_complete(acall()),
        "stream": lambda: list(litellm.completion(**CALL, stream=True)),
    }
    wrong, tried = [], 0
    for name, way in WAYS.items():
        way(), lines(way)  # Later calls pass fewer lines.
        for (file, line), times in Counter(lines(way)).items():
            for time in range(1, 1 + min(times, 2 if file.endswith(LEFT) else 1)):
                tried += 1
                context = contextvars.copy_context()
                told = context.run(lines, way, ((file, line), time))
                current = context.run(mlflow.get_current_active_span)
                del ended[:]
                context.run(way)
                if told != "interrupted" or current or len(ended) != 1:
                    wrong.append(f"{name}, {os.path.basename(file)}:{line}: {len(ended)} traced")
    print(json.dumps([tried, wrong]), flush=True)
    os._exit(0)  # Thousands of traces would have to be stored.
"""


def test_interruption_at_any_line_of_the_package_reaches_the_caller(tmp_path: Path) -> None:
    """An interruption at any line leaves no span current: the context's next call is traced."""
    tried, wrong = json.loads(succeed(AT_EVERY_LINE, tmp_path))
    assert wrong == []
    assert tried > 300
