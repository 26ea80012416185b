"""
Reads containers other than lists and dicts, such as deques, views, and numpy's arrays.

They are read once more than LiteLLM reads them, so only those are that are known to give the same
again: of Python's own types, of numpy's, and of classes that are declared to be sequences, sets,
collections or mappings. What merely has the methods, such as a database's lazy query, a tensor or
a file, may ask a server or be consumed, and is left alone, like every iterator.
"""

from __future__ import annotations

import sys
from collections import UserString
from collections.abc import Collection, Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from mlflow_litellm._common.interruptions import errors_ignored

_TEXTS = (str, bytes, bytearray, memoryview, UserString)
_LISTS = (AbstractSet, Sequence, ValuesView)
# A size may be wrong, and a container without an end.
_MOST = 100_000


def is_listed(value: Any) -> bool:
    """Tell whether a value is a container that can be read again, in the place of a list."""
    if isinstance(value, (list, tuple)):
        return True
    if isinstance(value, (*_TEXTS, Mapping, Iterator)):
        return False
    return isinstance(value, _LISTS) or _is_declared(value) or _is_array(value)


def listed(value: Any) -> list[Any]:
    """
    Return the items of a container of which `is_listed` is true, a list as it is.

    Of more than 100,000 in another than a list or tuple, the first, and a text with the number of
    the rest. Whatever the container raises is raised.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    size = len(value)
    found = list(islice(iter(value), min(size, _MOST)))
    return found if size <= _MOST else [*found, f"<{size - _MOST} more>"]


def items(value: Any) -> list[Any] | None:
    """Return the items of a container that can be read again; None of what cannot, or raises."""
    with errors_ignored():
        return listed(value) if is_listed(value) else None
    return None


def entries(value: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the first 100,000 entries of a mapping as a dict; a dict as it is."""
    if isinstance(value, dict):
        return value
    return dict(islice(value.items(), min(len(value), _MOST)))


def from_numpy(value: Any) -> Any:
    """Return a number of numpy's as Python's; anything else as it is."""
    if _is_a(value, "generic") or (_is_a(value, "ndarray") and not value.ndim):
        return value.item()
    return value


def _is_declared(value: Any) -> bool:
    # Not isinstance(), which is true of all that has the methods.
    return Collection in type(value).__mro__


def _is_array(value: Any) -> bool:
    # One of no dimension is a number.
    return _is_a(value, "ndarray") and bool(value.ndim)


def _is_a(value: Any, name: str) -> bool:
    """Tell whether a value is of a type of numpy's, without importing it."""
    kind = getattr(sys.modules.get("numpy"), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
