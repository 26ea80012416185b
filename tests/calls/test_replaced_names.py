"""Names that other code replaces for a time: the next ``autolog()`` traces, disabling restores."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import litellm
import mlflow
import pytest
from callers import MODEL, user

from mlflow_litellm._instrumentation import autolog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from traces import Traces

ASKED = {"model": MODEL, "messages": user("hi"), "mock_response": "hello"}


def router() -> litellm.Router:
    """Create a router with one group."""
    params = {"model": MODEL, "api_key": "none", "mock_response": "hello"}
    return litellm.Router([{"model_name": "group", "litellm_params": params}])


CALLS: dict[str, Any] = {
    "completion": lambda: litellm.completion(**ASKED),
    "acompletion": lambda: asyncio.run(litellm.acompletion(**ASKED)),
    "text_completion": lambda: litellm.text_completion("hi", MODEL, mock_response="hello"),
    "Router.completion": lambda: router().completion("group", user("hi")),
}


@contextmanager
def closure(name: str) -> Iterator[None]:
    """Replace a function by a wrapper without a reference to it."""
    seen = getattr(litellm, name)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return seen(*args, **kwargs)

    setattr(litellm, name, wrapper)
    yield
    setattr(litellm, name, seen)


REPLACED = [
    *((name, lambda name=name: mock.patch(f"litellm.{name}")) for name in CALLS),
    *((name, lambda name=name: closure(name)) for name in CALLS if "." not in name),
]


@pytest.mark.parametrize(("name", "replaced"), REPLACED, ids=[name for name, _ in REPLACED])
def test_switched_on_while_a_name_is_replaced(name: str, replaced: Any, traces: Traces) -> None:
    """An application that starts within a test switches tracing on under such a replacement."""
    before = _patched_objects()
    with replaced():
        mlflow.litellm.autolog()
    mlflow.litellm.autolog()
    CALLS[name]()
    assert f"litellm-{name}" in [span.name for span in traces.calls()]
    assert len(traces.all()) == 1
    mlflow.litellm.autolog(disable=True)
    assert _patched_objects() == before


@pytest.mark.parametrize(("name", "replaced"), REPLACED, ids=[name for name, _ in REPLACED])
def test_switched_off_while_a_name_is_replaced(name: str, replaced: Any, traces: Traces) -> None:
    """The replacement restores the wrapper, which does nothing until tracing is on again."""
    before = _patched_objects()
    mlflow.litellm.autolog()
    with replaced():
        mlflow.litellm.autolog(disable=True)
    CALLS[name]()
    assert traces.all() == []
    mlflow.litellm.autolog()
    CALLS[name]()
    assert len(traces.all()) == 1
    mlflow.litellm.autolog(disable=True)
    assert _patched_objects() == before


def _patched_objects() -> list[Any]:
    return [getattr(litellm, name) for name in CALLS if "." not in name] + [
        litellm.Router.completion
    ]


def test_name_that_is_not_patched_is_known_not_to_be(traces: Traces) -> None:
    """The doctor reads this state."""
    with mock.patch("litellm.completion"):
        mlflow.litellm.autolog()
    [patch] = [each for each in autolog.target_patches() if each.full_name == "litellm.completion"]
    assert not patch.applied
    mlflow.litellm.autolog()
    assert patch.applied
