"""Any value becomes JSON types that a store accepts. No MLflow, no network."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import threading
import uuid
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_litellm._payloads.serialize import to_jsonable


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


class Point(pydantic.BaseModel):
    """A pydantic model."""

    x: int
    y: int | None = None


@dataclasses.dataclass
class Pair:
    """A dataclass."""

    left: Any
    right: Any


class Name(str):
    """A subclass of str."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, True, None, "x"]}, {"a": [1, 2.5, True, None, "x"]}),
        ((1, 2), [1, 2]),
        ({1: "int key", None: "none key"}, {"1": "int key", "None": "none key"}),
        (Point(x=1), {"x": 1}),
        (Pair(Point(x=1), Colour.RED), {"left": {"x": 1}, "right": "red"}),
        (Name("text"), "text"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (decimal.Decimal("1.5"), "1.5"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"12345", "<5 bytes>"),
        (math.inf, "inf"),
        ("caf\u00e9", "caf\u00e9"),
        ("broken \ud800", "broken ?"),
        ({"key \udfff": 1}, {"key ?": 1}),
        (ValueError("secret"), "<builtins.ValueError>"),
        (threading.Lock(), "<_thread.lock>"),
        (int, "<builtins.int>"),
    ],
)
def test_value_becomes_plain(value: Any, expected: Any) -> None:
    """Data is copied, and other values are replaced by a name."""
    assert to_jsonable(value) == expected


def test_pydantic_class_becomes_its_schema() -> None:
    """A pydantic class, which ``response_format`` accepts, becomes its schema."""
    assert to_jsonable(Point) == Point.model_json_schema()


def test_iterator_is_not_consumed() -> None:
    """An iterator is not consumed, because the call still needs it."""
    iterator = iter([1, 2])
    assert to_jsonable({"stream": iterator}) == {"stream": "<builtins.list_iterator>"}
    assert list(iterator) == [1, 2]


def test_cycle_is_cut_where_it_closes() -> None:
    """A cycle is cut at its end, and an object that occurs twice is not a cycle."""
    shared = [1]
    cycle: dict[str, Any] = {"twice": [shared, shared]}
    cycle["self"] = cycle
    assert to_jsonable(cycle) == {"twice": [[1], [1]], "self": "<cycle: builtins.dict>"}


def test_copy_is_out_of_reach_of_later_changes() -> None:
    """Later changes of the messages by LiteLLM or the caller do not affect the copy."""
    messages = [{"content": [{"text": "before"}]}]
    copied = to_jsonable(messages)
    messages[0]["content"][0]["text"] = "after"
    assert copied == [{"content": [{"text": "before"}]}]


# Includes surrogates, which hypothesis excludes by default.
TEXT = st.text(st.characters(exclude_categories=()))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | TEXT
JSON_LIKE = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner))


@given(JSON_LIKE)
def test_anything_becomes_what_a_store_takes(value: Any) -> None:
    """Any value becomes strict JSON in UTF-8."""
    json.dumps(to_jsonable(value), ensure_ascii=False, allow_nan=False).encode()


def test_what_nests_too_deep_is_cut() -> None:
    """Data with too many levels is cut, as the recursive encoder would fail for all of it."""
    value: Any = "core"
    for _ in range(100_000):
        value = [value]
    text = json.dumps(to_jsonable(value))
    assert text.count("[") == 100
    assert "<deeper than 100 levels: builtins.list>" in text


def test_model_that_cannot_be_dumped_costs_itself_alone() -> None:
    """A model that cannot be dumped affects only itself, and the data beside it is recorded."""

    class Broken(pydantic.BaseModel):
        def model_dump(self, **_: Any) -> Any:
            raise ValueError

    [name, other] = to_jsonable([Broken(), "kept"])
    assert (name[-8:], other) == (".Broken>", "kept")
