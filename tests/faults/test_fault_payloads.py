"""Payloads that cannot be read, or never end, affect only their own place in the span."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, user
from faults import seen

from mlflow_litellm._payloads.kinds.table import CHAT
from mlflow_litellm._payloads.secret_values import secrets
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Callable

    from traces import Traces


def nested(wrap: Callable[[Any], Any]) -> Any:
    """Return data with more levels than the recursion limit."""
    value: Any = "core"
    for _ in range(100_000):
        value = wrap(value)
    return value


def containing_itself(kind: Callable[[], Any]) -> Any:
    """Return a container whose only item is itself."""
    value = kind()
    if isinstance(value, dict):
        value["self"] = value
    else:
        value.append(value)
    return value


@dataclasses.dataclass(eq=False, repr=False)
class Node:
    """One of several objects that refer to all others, so that a walk over all paths never ends."""

    others: list[Any]


def acquainted(kind: Callable[[list[Any]], Any]) -> Any:
    """Return one of thirty objects with references to all others."""
    everybody: list[Any] = []
    everybody.extend(kind(everybody) for _ in range(30))
    return everybody[0]


def hostile(method: str, error: type[BaseException]) -> Any:
    """Return an object whose special method raises an exception."""

    def raises(*_: Any) -> Any:
        raise error(method)

    answer = property(raises) if method == "__class__" else raises
    return type(f"Hostile{method}", (), {method: answer})()


SPECIAL = [
    "__bool__", "__class__", "__copy__", "__deepcopy__", "__eq__", "__getattr__", "__hash__",
    "__iter__", "__len__", "__repr__", "__str__",
]  # fmt: skip
PAYLOADS: dict[str, Callable[[], Any]] = {
    "a list that contains itself": lambda: containing_itself(list),
    "a dict that contains itself": lambda: containing_itself(dict),
    "a deep list": lambda: nested(lambda value: [value]),
    "a deep dict": lambda: nested(lambda value: {"a": value}),
    "objects that know one another": lambda: acquainted(Node),
    **{
        f"{error.__name__} in {method}": lambda method=method, error=error: hostile(method, error)
        for method in SPECIAL
        for error in (MemoryError, RecursionError, ValueError)
    },
}
PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "metadata": lambda value: {"metadata": {"x": value}},
    "metadata's tags": lambda value: {"metadata": {"tags": [value]}},
    "message": lambda value: {"messages": [{"role": "user", "content": "hi", "x": value}]},
    "content": lambda value: {"messages": [{"role": "user", "content": value}]},
    "tools": lambda value: {"tools": [{"type": "function", "function": {"name": value}}]},
    "user": lambda value: {"user": value},
    "unknown": lambda value: {"frobnicate": value},
}
# In seconds of CPU time of this process. A walk over all paths takes years.
SLOW = 5.0


def outcome(place: str, value: Any) -> Any:
    """Return the outcome of a call with `value` in one place, without addresses of objects."""
    asked = {"model": MODEL, "messages": user("hi"), **PLACES[place](value)}
    return re.sub("0x[0-9a-f]+", "0x", str(seen(lambda: litellm.completion(**asked, **MOCKED))))


MOCKED = {"mock_response": "hello"}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payload_is_not_the_callers_affair(payload: str, traces: Traces, production: None) -> None:
    """With a payload in any place, a call ends as untraced, with a trace, in little time."""
    value = PAYLOADS[payload]()
    places = places_for(payload)
    untraced = {place: outcome(place, value) for place in places}
    mlflow.litellm.autolog()
    began = time.process_time()
    traced = {place: outcome(place, value) for place in places}
    assert time.process_time() - began < SLOW * len(places)
    mlflow.litellm.autolog(disable=True)
    assert traced == untraced
    assert len(traces.all()) == len(places)


def places_for(payload: str) -> list[str]:
    """Return the places for a payload without those in which LiteLLM 1.110 never ends."""
    is_endless = hasattr(litellm.utils, "remove_sensitive_keys_from_dict")
    if not (is_endless and payload == "a dict that contains itself"):
        return list(PLACES)
    return [place for place in PLACES if place not in {"user", "unknown"}]


def test_dicts_that_know_one_another_are_cut() -> None:
    """Dicts with references to all others are cut, and the part that was read is kept."""
    everybody: list[Any] = [{} for _ in range(30)]
    for one in everybody:
        one.update({str(number): other for number, other in enumerate(everybody)})
    began = time.process_time()
    text = json.dumps(to_jsonable(everybody))
    assert "<after 100000 others: builtins.dict>" in text
    assert secrets({"extra_body": everybody}, CHAT.recorded) is not None
    assert time.process_time() - began < SLOW


def room_needed(call: Callable[[], Any]) -> int:
    """Return the lowest number of frames below the recursion limit with which a call succeeds."""
    failures = []
    for room in range(10, 400, 2):
        with contextlib.suppress(RecursionError):
            below(sys.getrecursionlimit() - depth() - room, call)
            return room
        failures.append(room)
    raise AssertionError(failures)


def below(frames: int, call: Callable[[], Any]) -> Any:
    """Call with this number of additional frames on the stack."""
    return call() if frames <= 0 else below(frames - 1, call)


def depth() -> int:
    """Return the number of frames on the stack."""
    return len(inspect.stack(0))


def test_call_near_the_recursion_limit_goes_well_or_is_a_recursion_error(
    traces: Traces, production: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracing needs a few more frames. If they are missing, no span or state is left."""
    # Exceptions in objects' deletion are ignored, as pytest's own hook needs too many frames.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)

    def call() -> Any:
        return litellm.completion(model=MODEL, messages=user("hi"), **MOCKED)

    call()
    untraced = room_needed(call)
    mlflow.litellm.autolog()
    call()
    assert room_needed(call) <= untraced + 30
    before = len(traces.all())
    call()
    assert mlflow.get_current_active_span() is None
    assert len(traces.all()) == before + 1
