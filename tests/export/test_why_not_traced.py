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
    """Return how often each reason was counted while something was made."""
    before = mlflow_litellm.health().calls_not_traced
    make()
    after = mlflow_litellm.health().calls_not_traced
    return {key: n - before.get(key, 0) for key, n in after.items() if n != before.get(key, 0)}


def test_call_by_what_was_captured_while_tracing_was_on(traces: Traces) -> None:
    """As a default argument or a closure keeps it."""
    mlflow.litellm.autolog()
    captured = litellm.completion
    mlflow.litellm.autolog(disable=True)
    asked = {"model": MODEL, "messages": user("hi"), "mock_response": "hello"}
    assert counted(lambda: captured(**asked)) == {Reason.OFF.value: 1}
    assert traces.all() == []


def test_internal_call_of_litellm(tracing: Traces, caller: Caller) -> None:
    """An async call makes a sync one; there is one span for both."""
    internal = counted(lambda: caller.complete("hello")).get(Reason.INTERNAL.value, 0)
    assert internal == (1 if caller.span_name == "litellm-acompletion" else 0)
    assert len(tracing.all()) == 1


def test_call_where_mlflows_tracing_is_disabled(tracing: Traces, caller: Caller) -> None:
    """By ``mlflow.tracing.context()``, in the block alone."""

    def call() -> None:
        with mlflow.tracing.context(enabled=False):
            caller.complete("hello")

    assert counted(call)[Reason.NOT_SAMPLED.value] == 1
    assert tracing.all() == []


def test_call_of_a_judge(tracing: Traces) -> None:
    """Decided by the module that makes the call."""
    judge = {"__name__": "mlflow.genai.judges.of_a_test", "completion": litellm.completion}
    asked = {"model": MODEL, "messages": user("hi"), "mock_response": "hello"}
    code = f"completion(**{asked!r})"
    assert counted(lambda: exec(code, judge))[Reason.BY_MLFLOW.value] >= 1
    assert tracing.all() == []


def test_reason_is_logged(
    tracing: Traces, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """For one who looks for a call."""
    with caplog.at_level(logging.DEBUG, "mlflow_litellm"), mlflow.tracing.context(enabled=False):
        caller.complete("hello")
    assert f"is not traced: {Reason.NOT_SAMPLED.value}." in caplog.text
    assert Reason.NOT_SAMPLED.value in str(mlflow_litellm.health())
