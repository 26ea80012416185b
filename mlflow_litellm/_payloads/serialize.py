"""Copies any object into JSON types. Later changes to the object do not change the copy."""

from __future__ import annotations

import dataclasses
import math
from collections import UserString
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from mlflow_litellm._common.interruptions import errors_ignored, let_through
from mlflow_litellm._payloads.containers import entries, from_numpy, is_listed, listed

_PRINTABLE = (date, datetime, time, Decimal, UUID, PurePath, UserString)
# In levels. Deeper data is cut: the JSON encoder and this module recurse.
_DEEPEST = 100
# Objects that refer to one another can be reached on too many paths.
_MOST = 100_000
# In bits. Python refuses to print integers of more than 4,300 digits.
_WIDEST = 10_000


def to_jsonable(value: object) -> Any:
    """
    Copy `value` as dicts, lists, strings, numbers, booleans and None.

    - A Pydantic model becomes its dict without None; a Pydantic class becomes its JSON schema.
    - Sequences, sets and arrays become lists, if they can be read again: see `is_listed`.
    - An object that is not data (client, lock, iterator, exception) becomes its type, such as
      ``"<httpx.Client>"``. Its ``str()`` may hold secrets, be megabytes long, or consume it.
    - A cycle is cut at its first repetition, and nested data at level 100. Lists, dicts and objects
      are cut after the first 100,000 of them.
    - A lone surrogate, which no store takes, becomes ``?``.
    """
    return _to_jsonable(value, _Path())


def items(value: object) -> list[Any] | None:
    """Return the items of a container; None if it cannot be read again, or raises."""
    with errors_ignored():
        return listed(value) if is_listed(value) else None
    return None


def number(value: Any) -> float | None:
    """Return an int or a float as it is, and None for any other value, also for a bool."""
    return value if type(value) in (int, float) else None


class _Path(set[int]):
    """The ``id`` of each container around a value, and the number of values left to read."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _MOST


def _to_jsonable(value: Any, path: _Path) -> Any:
    # Most values of a payload have these types. Comparing types by identity is fast.
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _text(value)
    if kind is int or kind is bool or value is None:
        return value if not value or value.bit_length() < _WIDEST else _wide(value)
    if kind is not float:
        path.left -= 1
    if id(value) in path or len(path) == _DEEPEST or path.left < 0:
        return f"<{_why_cut(value, path)}: {_type_name(value)}>"
    path.add(id(value))
    try:
        if kind is dict:
            return {
                key if type(key) is str and key.isascii() else _key(key): (
                    # Half of a payload: this saves a call for each of these values.
                    item if type(item) is str and item.isascii() else _to_jsonable(item, path)
                )
                for key, item in value.items()
            }
        return [_to_jsonable(item, path) for item in value] if kind is list else _other(value, path)
    except Exception as error:  # noqa: BLE001 - Only the model that cannot be dumped is lost.
        let_through(error)
        return f"<{_type_name(value)}>"
    finally:
        path.discard(id(value))


def _why_cut(value: object, path: _Path) -> str:
    if id(value) in path:
        return "cycle"
    return f"after {_MOST} others" if path.left < 0 else f"deeper than {_DEEPEST} levels"


def _other(value: object, path: _Path) -> Any:
    if isinstance(value, Enum):
        return _to_jsonable(value.value, path)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _to_jsonable(int(value), path)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    return _container(value, path)


def _container(value: object, path: _Path) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): _to_jsonable(item, path) for key, item in entries(value).items()}
    if isinstance(value, BaseModel):
        return _to_jsonable(value.model_dump(exclude_none=True, warnings=False), path)
    if isinstance(value, type) and issubclass(value, BaseModel):
        return _to_jsonable(value.model_json_schema(), path)
    if is_listed(value):
        return [_to_jsonable(item, path) for item in listed(value)]
    return _object(value, path)


def _object(value: object, path: _Path) -> Any:
    if isinstance(value, _PRINTABLE):
        return _text(str(value))
    if (scalar := from_numpy(value)) is not value:
        return _to_jsonable(scalar, path)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {item.name: _to_jsonable(getattr(value, item.name), path) for item in fields}
    return f"<{_type_name(value)}>"


def _wide(value: int) -> str:
    return f"<integer of {value.bit_length()} bits>"


def _key(key: object) -> str:
    return _text(key if isinstance(key, str) else str(_to_jsonable(key, _Path())))


def _text(value: str) -> str:
    # isascii() reads a flag of the string, so most strings need not be encoded.
    if value.isascii():
        return str(value)
    return value.encode("utf-8", "replace").decode("utf-8")


def _type_name(value: Any) -> str:
    # Not isinstance(), which reads __class__: that of a proxy object may raise.
    kind = value if issubclass(type(value), type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
