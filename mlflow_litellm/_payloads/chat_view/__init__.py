"""
Requests and answers in the form that MLflow's UI shows as a chat, a module a format.

The UI shows no message at all where it rejects one. So as little is changed as will do, what
stood there stays beside it as `original`, and what the UI takes as it is stays the same object.
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


def inputs(message_format: str | None, fields: Any) -> Any:
    """Return a request's inputs as the UI shows them; the very object where it does."""
    return _shown("REQUEST", message_format, fields)


def outputs(message_format: str | None, fields: Any) -> Any:
    """Return an answer's outputs as the UI shows them; the very object where it does."""
    return _shown("ANSWER", message_format, fields)


def _shown(side: str, message_format: str | None, fields: Any) -> Any:
    if message_format is None or not isinstance(fields, dict):
        return fields
    for module in _FORMATS.get(message_format, ()):
        for key, show in getattr(module, side).items():
            if isinstance(fields.get(key), list):
                items = show(fields[key])
                return fields if items is fields[key] else {**fields, key: items}
    return fields
