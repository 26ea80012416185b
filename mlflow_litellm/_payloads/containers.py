"""
Reads containers other than lists and dicts, such as deques, views, and numpy's arrays.

LiteLLM reads the container too. So this module only reads containers that give the same items
again: Python's own types, numpy's, and subclasses of the abstract classes for sequences, sets,
collections and mappings. It does not read iterators, or objects that only have the methods, such as
a database's lazy query, a tensor or a file: reading these may query a server or consume them.
"""

from __future__ import annotations

import sys
from collections import UserString
from collections.abc import Collection, Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

_TEXTS = (str, bytes, bytearray, memoryview, UserString)
_LISTS = (AbstractSet, Sequence, ValuesView)
# A container may report a wrong size, or never end.
_MOST = 100_000


def is_listed(value: object) -> bool:
    """Return whether a value is a list, or a similar container that can be read again."""
    if isinstance(value, (list, tuple)):
        return True
    if isinstance(value, (*_TEXTS, Mapping, Iterator)):
        return False
    return isinstance(value, _LISTS) or _is_declared(value) or _is_array(value)


def listed(value: Any) -> list[Any]:
    """
    Return the items of a container for which `is_listed` is true; a list is returned as it is.

    If a container other than a list or tuple has more than 100,000 items, the result is the first
    100,000 and a text with the number of the others.

    Raises:
        Exception: The container raised it.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    size = len(value)
    first = list(islice(iter(value), min(size, _MOST)))
    return first if size <= _MOST else [*first, f"<{size - _MOST} more>"]


def dicts(items: object) -> list[dict[str, Any]]:
    """Return the dicts of a list; an empty list for any other value."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def entries(value: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the first 100,000 entries of a mapping as a dict; a dict as it is."""
    if isinstance(value, dict):
        return value
    return dict(islice(value.items(), min(len(value), _MOST)))


def from_numpy(value: Any) -> Any:
    """Return a numpy scalar as a Python value; any other value as it is."""
    if _is_a(value, "generic") or (_is_a(value, "ndarray") and not value.ndim):
        return value.item()
    return value


def _is_declared(value: object) -> bool:
    # Not isinstance(), which is true for every class that has the methods.
    return Collection in type(value).__mro__


def _is_array(value: Any) -> bool:
    # An array without dimensions is a number.
    return _is_a(value, "ndarray") and bool(value.ndim)


def _is_a(value: object, name: str) -> bool:
    """Return whether a value has a numpy type, without importing numpy."""
    kind = getattr(sys.modules.get("numpy"), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
