"""Each call that is not traced is counted by its reason, which is logged at debug level."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import litellm
import mlflow
from callers import MODEL, user

import mlflow_litellm
from mlflow_litellm._tracing.health import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from callers import Caller
    from traces import Traces


def counted(make: Callable[[], object]) -> dict[str, int]:
    """Return the counts by reason of the calls that a function makes."""
    before = mlflow_litellm.health().calls_not_traced
    make()
    after = mlflow_litellm.health().calls_not_traced
    return {key: n - before.get(key, 0) for key, n in after.items() if n != before.get(key, 0)}


def test_call_by_what_was_captured_while_tracing_was_on(traces: Traces) -> None:
    """Calls of a captured wrapper, such as a default argument, are counted after tracing is off."""
    mlflow.litellm.autolog()
    captured = litellm.completion
    mlflow.litellm.autolog(disable=True)
    asked = {"model": MODEL, "messages": user("hi"), "mock_response": "hello"}
    assert counted(lambda: captured(**asked)) == {Reason.OFF.value: 1}
    assert traces.all() == []


def test_internal_call_of_litellm(tracing: Traces, caller: Caller) -> None:
    """The sync call that an async call makes is counted as internal, and has no span."""
    internal = counted(lambda: caller.complete("hello")).get(Reason.INTERNAL.value, 0)
    assert internal == (1 if caller.span_name == "litellm-acompletion" else 0)
    assert len(tracing.all()) == 1


def test_call_where_mlflows_tracing_is_disabled(tracing: Traces, caller: Caller) -> None:
    """A call in a block of ``mlflow.tracing.context(enabled=False)`` is counted as not sampled."""

    def call() -> None:
        with mlflow.tracing.context(enabled=False):
            caller.complete("hello")

    assert counted(call)[Reason.NOT_SAMPLED.value] == 1
    assert tracing.all() == []


def test_call_of_a_judge(tracing: Traces) -> None:
    """A call from a module of MLflow's judges is counted as a call by MLflow."""
    judge = {"__name__": "mlflow.genai.judges.of_a_test", "completion": litellm.completion}
    asked = {"model": MODEL, "messages": user("hi"), "mock_response": "hello"}
    code = f"completion(**{asked!r})"
    assert counted(lambda: exec(code, judge))[Reason.BY_MLFLOW.value] >= 1
    assert tracing.all() == []


def test_reason_is_logged(
    tracing: Traces, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is logged, so that a missing call can be explained."""
    with caplog.at_level(logging.DEBUG, "mlflow_litellm"), mlflow.tracing.context(enabled=False):
        caller.complete("hello")
    assert f"is not traced: {Reason.NOT_SAMPLED.value}." in caplog.text
    assert Reason.NOT_SAMPLED.value in str(mlflow_litellm.health())
