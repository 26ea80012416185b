"""Faults of tracing are logged once, and do not affect a stream that is being read."""

from __future__ import annotations

import json
import logging
import socket
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from children import succeed

if TYPE_CHECKING:
    from pathlib import Path

    from callers import Caller
    from traces import Traces


class TracingBrokenError(Exception):
    """The exception that the broken tracing raises."""


def broken(*_: Any, **__: Any) -> Any:
    """Replace a function of MLflow by one that fails."""
    raise TracingBrokenError


def odd(chunk: Any) -> Any:
    """Give a chunk an index that cannot be used as a key."""
    for choice in chunk.choices:
        choice.index = [0]
    return chunk


def test_fault_while_reading_a_chunk_ends_the_recording_not_the_stream(
    tracing: Traces, production: None, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault ends the recording, not the stream. In another tracer it stopped an LLM proxy."""
    kind = litellm.CustomStreamWrapper
    read, aread = kind.__next__, kind.__anext__

    async def anext_odd(stream: Any) -> Any:
        return odd(await aread(stream))

    stream = caller.complete("one two", stream=True)
    caller.next(stream)
    monkeypatch.setattr(kind, "__next__", lambda stream: odd(read(stream)))
    monkeypatch.setattr(kind, "__anext__", anext_odd)
    text = "".join(c.choices[0].delta.content or "" for c in caller.read(stream))
    assert "one two" in text
    assert tracing.span().attributes["stream_end"] == "unreadable"


def test_fault_is_told_once_and_then_at_debug_level(
    tracing: Traces,
    production: None,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fault is logged once, and later at debug level, so that it does not flood the log."""
    monkeypatch.setattr(mlflow, "start_span_no_context", type("NewError", (), {}))
    with caplog.at_level(logging.DEBUG, logger="mlflow_litellm"):
        caller.complete("hello")
        caller.complete("hello")
    levels = [record.levelno for record in caplog.records if record.name == "mlflow_litellm"]
    assert levels.count(logging.WARNING) <= 1
    assert logging.DEBUG in levels


def test_silent_tells_nothing(
    traces: Traces,
    production: None,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """``silent=True`` mutes the package, until a later call without it."""
    mlflow.litellm.autolog(silent=True)
    monkeypatch.setattr(mlflow, "start_span_no_context", lambda *_, **__: 1 / 0)
    with caplog.at_level(logging.DEBUG, logger="mlflow_litellm"):
        caller.complete("hello")
        assert not [record for record in caplog.records if record.name == "mlflow_litellm"]
        mlflow.litellm.autolog()
        caller.complete("hello")
        assert [record for record in caplog.records if record.name == "mlflow_litellm"]


def test_fault_is_raised_under_test(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MLflow's variable for tests, faults are raised, so that these tests see them."""
    monkeypatch.setattr(mlflow, "start_span_no_context", broken)
    with pytest.raises(TracingBrokenError):
        caller.complete("hello")


def test_tracing_disabled_in_mlflow_leaves_calls_alone(tracing: Traces, caller: Caller) -> None:
    """If MLflow's tracing is disabled, there is no trace, and a stream is LiteLLM's own object."""
    mlflow.tracing.disable()
    try:
        caller.complete("hello")
        stream = caller.complete("hello", stream=True)
        assert type(stream) is litellm.CustomStreamWrapper
        caller.read(stream)
    finally:
        mlflow.tracing.enable()
    assert tracing.all() == []


def test_tracing_disabled_in_a_block_leaves_its_calls_alone(
    tracing: Traces, caller: Caller
) -> None:
    """``mlflow.tracing.context(enabled=False)`` disables the calls in its block only."""
    with mlflow.tracing.context(enabled=False):
        caller.complete("hidden")
    caller.complete("seen")
    assert tracing.span().inputs["messages"][0]["content"] == "seen"


@pytest.fixture
def dead_server() -> str:
    """Return the address of a port on loopback that no process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


TIMED_CALLS = """
    import json, os, sys, time
    import litellm, mlflow
    mlflow.litellm.autolog()

    def call(**kwargs):
        began = time.monotonic()
        answer = litellm.completion(
            "gpt-4o-mini", [{"role": "user", "content": "hi"}], mock_response="hello", **kwargs
        )
        answer = "".join(c.choices[0].delta.content or "" for c in answer) if kwargs \\
            else answer.choices[0].message.content
        assert answer == "hello", answer
        return time.monotonic() - began

    with mlflow.tracing.context(enabled=False):
        call()  # LiteLLM imports much at the first of each.
        call(stream=True)
    seconds = [call(), call(), call(stream=True)]
    print(json.dumps(seconds), flush=True)
    os._exit(0)  # MLflow goes on trying to deliver for minutes.
"""


@pytest.mark.parametrize(
    "environment",
    [{}, {"MLFLOW_EXPERIMENT_ID": "1"}, {"MLFLOW_EXPERIMENT_NAME": "x"}],
    ids=lambda environment: next(iter(environment), "default"),
)
def test_call_is_not_slowed_by_a_dead_server(
    environment: dict[str, str], dead_server: str, tmp_path: Path
) -> None:
    """A stopped server does not delay the call, although MLflow would wait for minutes."""
    out = succeed(TIMED_CALLS, tmp_path, MLFLOW_TRACKING_URI=dead_server, **environment)
    first, second, stream = json.loads(out)
    assert first < 2
    assert max(second, stream) < 1
