"""Functions that change the values that the UI rejects, and keep all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXT_KEYS = ("text", "refusal", "thinking", "code", "output")
_NAME_KEYS = ("filename", "title", "name", "file_id", "url")
_ATTACHED = "mlflow-attachment://"
# In characters. A longer text is no name.
_LONG = 500


def each(items: list[Any], show: Callable[[dict[str, Any]], dict[str, Any]]) -> list[Any]:
    """Return a list with `show` applied to its dicts; the same list if no dict changes."""
    fields = [show(item) if isinstance(item, dict) else item for item in items]
    # Not any(): this runs for each message of each call, and a generator is slower.
    for one, other in zip(fields, items, strict=True):
        if one is not other:
            return fields
    return items


def within(item: dict[str, Any], key: str, show: Callable[[Any], Any]) -> dict[str, Any]:
    """Return an item with `show` applied to one value; the same item if the value is the same."""
    value = item[key]
    fields = show(value)
    return item if fields is value else {**item, key: fields}


def replaced(item: dict[str, Any], **values: object) -> dict[str, Any]:
    """Return an item with new values; its former values become its `original`."""
    former = {key: item.get(key) for key in values}
    return {**item, **values, "original": {**former, **(item.get("original") or {})}}


def as_text(part: dict[str, Any], kind: str = "text") -> dict[str, Any]:
    """Return a part as a text part: its own text, or else its type and its content's name."""
    if isinstance(part.get("text"), str):
        return replaced(part, type=kind)
    fields = next((part[key] for key in _TEXT_KEYS if isinstance(part.get(key), str)), None)
    return {**replaced(part, type=kind), "text": fields or _label(part)}


def attachment(value: object) -> str | None:
    """Return the first reference to an attachment in JSON types, or None."""
    if isinstance(value, str):
        return value if value.startswith(_ATTACHED) else None
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    references = (attachment(item) for item in items)
    return next((reference for reference in references if reference), None)


def _label(part: dict[str, Any]) -> str:
    kind = str(part.get("type") or next(iter(part), ""))
    held = [part, *(value for value in part.values() if isinstance(value, dict))]
    names = (holder.get(key) for key in _NAME_KEYS for holder in held)
    name = next((name for name in names if isinstance(name, str) and len(name) < _LONG), None)
    return f"[{kind}: {name}]" if name else f"[{kind}]"
