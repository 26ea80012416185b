"""
The items of responses.

https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

import json
from typing import Any

from mlflow_litellm._payloads.chat_view.changes import as_text, each, replaced, within

_INPUT_PARTS = frozenset({"input_file", "input_image", "input_text"})
_READ = frozenset({"function_call", "message"})
_PICTURES = frozenset({"jpeg", "png", "webp"})


def _items(items: list[Any]) -> list[Any]:
    return each(items, _item)


def _item(item: dict[str, Any]) -> dict[str, Any]:
    kind = item.get("type")
    if kind == "message" or "role" in item:
        return _message(item)
    if kind == "reasoning":
        return item if isinstance(item.get("summary"), list) else {**item, "summary": []}
    if kind == "function_call_output":
        return _output(item)
    if kind in _READ or (kind == "image_generation_call" and _is_picture(item)):
        return item
    return _call(item)


def _message(item: dict[str, Any]) -> dict[str, Any]:
    parts = item.get("content")
    if not isinstance(parts, list) or all(_kind(part) in _INPUT_PARTS for part in parts):
        return item
    if "type" not in item:
        item = {**item, "type": "message"}
    return within(item, "content", _parts)


def _parts(parts: list[Any]) -> list[Any]:
    return each(parts, _part)


def _part(part: dict[str, Any]) -> dict[str, Any]:
    is_text = _kind(part) in {"input_text", "output_text", "text"}
    return part if is_text else as_text(part, "output_text")


def _kind(part: object) -> Any:
    return part.get("type") if isinstance(part, dict) else None


def _output(item: dict[str, Any]) -> dict[str, Any]:
    output = item.get("output")
    if isinstance(output, str):
        return item
    return replaced(item, output=json.dumps(output, default=str))


def _is_picture(item: dict[str, Any]) -> bool:
    return isinstance(item.get("result"), str) and item.get("output_format") in _PICTURES


def _call(item: dict[str, Any]) -> dict[str, Any]:
    """Return the item of a provider's own tool as a function call."""
    kind = str(item.get("type"))
    fields = {key: value for key, value in item.items() if key not in {"id", "type"}}
    arguments = json.dumps(fields, default=str)
    call = {"call_id": str(item.get("id") or ""), "name": item.get("name") or kind}
    return {**replaced(item, type="function_call", arguments=arguments), **call}


REQUEST = {"input": _items}
RESPONSE = {"output": _items}
