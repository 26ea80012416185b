"""
Requests and responses in the form that MLflow's UI displays as a chat. One module for each format.

The UI displays no message at all if it rejects one of them. These modules change only the values
that the UI rejects, keep the former values as `original`, and return the same object if the UI
accepts it.

Below a response's messages, the UI displays the response's other fields in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.chat_view import anthropic, chat, gemini, responses

if TYPE_CHECKING:
    from types import ModuleType

_FORMATS: dict[str, tuple[ModuleType, ...]] = {
    "anthropic": (anthropic,),
    "gemini": (gemini,),
    "openai": (chat, responses),
}
# They say nothing about the response, so they are displayed last.
_LAST = ("id", "object", "created", "created_at")


def inputs(message_format: str | None, fields: object) -> Any:
    """Return a request's inputs as the UI displays them; the same object if nothing changes."""
    return _view("REQUEST", message_format, fields)


def outputs(message_format: str | None, fields: object) -> Any:
    """Return a response's outputs as the UI displays them; the same object if nothing changes."""
    fields = _view("RESPONSE", message_format, fields)
    if message_format is None or not isinstance(fields, dict):
        return fields
    last = {key: fields[key] for key in _LAST if key in fields}
    return {**{key: fields[key] for key in fields if key not in last}, **last} if last else fields


def _view(side: str, message_format: str | None, fields: object) -> Any:
    if message_format is None or not isinstance(fields, dict):
        return fields
    for module in _FORMATS.get(message_format, ()):
        for key, view in getattr(module, side).items():
            if isinstance(fields.get(key), list):
                items = view(fields[key])
                return fields if items is fields[key] else {**fields, key: items}
    return fields
