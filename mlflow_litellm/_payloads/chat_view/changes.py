"""How what the UI rejects is changed, and the rest of it kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SAYING = ("text", "refusal", "thinking", "code", "output")
_CALLED = ("filename", "title", "name", "file_id", "url")
_ATTACHED = "mlflow-attachment://"
# What is longer is no name.
_LONG = 500


def each(items: list[Any], show: Callable[[dict[str, Any]], dict[str, Any]]) -> list[Any]:
    """Return a list with its dicts shown; the very list where each is the same as before."""
    fields = [show(item) if isinstance(item, dict) else item for item in items]
    # Not any(): each message of each call passes here, and a generator takes its time.
    for one, other in zip(fields, items, strict=True):
        if one is not other:
            return fields
    return items


def within(item: dict[str, Any], key: str, show: Callable[[Any], Any]) -> dict[str, Any]:
    """Return an item with a value of it shown; the very item where that is the same."""
    value = item[key]
    fields = show(value)
    return item if fields is value else {**item, key: fields}


def replaced(item: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return an item with other values, and those that it had beside them, as its `original`."""
    former = {key: item.get(key) for key in values}
    return {**item, **values, "original": {**former, **(item.get("original") or {})}}


def as_text(part: dict[str, Any], kind: str = "text") -> dict[str, Any]:
    """Return a part as a text: what it says; else its type, and the name of what it holds."""
    if isinstance(part.get("text"), str):
        return replaced(part, type=kind)
    fields = next((part[key] for key in _SAYING if isinstance(part.get(key), str)), None)
    return {**replaced(part, type=kind), "text": fields or _label(part)}


def attachment(value: Any) -> str | None:
    """Return the first reference to an attachment in plain data."""
    if isinstance(value, str):
        return value if value.startswith(_ATTACHED) else None
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = (attachment(item) for item in items)
    return next((reference for reference in found if reference), None)


def _label(part: dict[str, Any]) -> str:
    kind = str(part.get("type") or next(iter(part), ""))
    held = [part, *(value for value in part.values() if isinstance(value, dict))]
    names = (place.get(key) for key in _CALLED for place in held)
    name = next((name for name in names if isinstance(name, str) and len(name) < _LONG), None)
    return f"[{kind}: {name}]" if name else f"[{kind}]"
