"""MLflow's own callback and flavor together with this package: one call makes one trace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, user

from mlflow_litellm._instrumentation import builtin_callback
from mlflow_litellm._tracing import builtin_flavor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from traces import Traces

LISTS = ("callbacks", "success_callback", "failure_callback")


@pytest.fixture(autouse=True)
def _restore_lists() -> Iterator[None]:
    """Restore LiteLLM's lists."""
    before = {name: list(getattr(litellm, name)) for name in builtin_callback.LISTS}
    yield
    mlflow.litellm.autolog(disable=True)
    for name, callbacks in before.items():
        setattr(litellm, name, callbacks)


def call(text: str = "hi") -> Any:
    """Make a sync and an async call."""
    arguments = {"model": MODEL, "messages": user(text), "mock_response": "hello"}
    litellm.completion(**arguments)
    return asyncio.run(litellm.acompletion(**arguments))


def in_lists() -> int:
    """Count the entries of MLflow's callback in LiteLLM's lists."""
    callbacks = [callback for name in builtin_callback.LISTS for callback in getattr(litellm, name)]
    return sum(map(builtin_callback.is_mlflow, callbacks))


@pytest.mark.parametrize("name", LISTS)
def test_callback_in_a_list_makes_no_second_trace(name: str, traces: Traces) -> None:
    """The callback is removed while tracing is on, and then put back at its position."""
    callbacks = ["mlflow"]
    setattr(litellm, name, callbacks)
    mlflow.litellm.autolog()
    assert in_lists() == 0
    call()
    assert len(traces.all()) == 2
    mlflow.litellm.autolog(disable=True)
    assert getattr(litellm, name) is callbacks
    # Some versions of LiteLLM add an entry of their own.
    assert callbacks[0] == "mlflow"
    assert callbacks.count("mlflow") == 1


def test_other_callbacks_keep_their_place() -> None:
    """Only MLflow's callback is removed, and returns to its position between the others."""

    def first(*_: Any) -> None: ...
    def last(*_: Any) -> None: ...

    litellm.success_callback = [first, "mlflow", last]
    mlflow.litellm.autolog()
    assert litellm.success_callback == [first, last]
    mlflow.litellm.autolog(disable=True)
    assert litellm.success_callback == [first, "mlflow", last]


def test_callback_added_while_on_makes_no_second_trace(tracing: Traces) -> None:
    """LiteLLM's documentation offers the callback as an alternative; some programs use both."""
    litellm.callbacks = ["mlflow"]
    call()
    # The callback's traces come later, from LiteLLM's threads. Only the lists show that none will.
    assert in_lists() == 0
    assert len(tracing.all()) == 2


def test_logger_made_of_the_name_is_taken_out_too(traces: Traces) -> None:
    """After its first call, LiteLLM has an object instead of the string, in more lists."""
    litellm.callbacks = ["mlflow"]
    call("before")
    assert any(map(builtin_callback.is_mlflow, litellm._async_success_callback))
    mlflow.litellm.autolog()
    call("after")
    assert in_lists() == 0
    assert len([span for span in traces.calls() if "after" in str(span.inputs)]) == 2


def test_flavor_of_mlflow_already_on_makes_no_second_trace(traces: Traces) -> None:
    """MLflow's flavor is off while this package traces, and on again afterwards."""
    mlflow_flavor = builtin_flavor.builtin_autolog()
    mlflow_flavor()
    try:
        mlflow.litellm.autolog()
        call()
        assert [len(trace.data.spans) for trace in traces.all()] == [1, 1]
        mlflow.litellm.autolog(disable=True)
        assert any(map(builtin_callback.is_mlflow, litellm.success_callback))
    finally:
        mlflow_flavor(disable=True)


def test_disabling_ends_the_flavor_of_mlflow_as_well() -> None:
    """``autolog(disable=True)`` switches MLflow's flavor off if only that was on."""
    builtin_flavor.builtin_autolog()()
    mlflow.litellm.autolog(disable=True)
    assert not any(map(builtin_callback.is_mlflow, litellm.success_callback))


@pytest.mark.parametrize("name", builtin_callback.LISTS)
def test_list_is_where_litellm_keeps_it(name: str) -> None:
    """This test fails when LiteLLM renames one of its lists."""
    assert isinstance(getattr(litellm, name), list)
