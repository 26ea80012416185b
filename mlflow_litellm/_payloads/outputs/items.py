"""
The items that a responses call is given and answers with: messages, calls of tools, reasoning.

https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import response_attributes
from mlflow_litellm._payloads.media import cleaned_data, cleaned_media, dicts, has_media

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Answer

# Hold pictures, or files, elsewhere than in the content of a message.
_PICTURES = frozenset({"code_interpreter_call", "image_generation_call"})
_OF_MEDIA = _PICTURES | {"computer_call_output", "function_call_output"}


def hold_media(items: Any) -> bool:
    """Tell whether items, as plain data, hold anything but text."""
    if has_media(items):
        return True
    return any(
        item["type"] in _PICTURES or isinstance(item.get("output"), (dict, list))
        for item in dicts(items)
        if item.get("type") in _OF_MEDIA
    )


def cleaned(items: list[Any]) -> list[Any]:
    """Return items with media as MLflow takes them, and without the signatures of their URLs."""
    return [
        cleaned_data(item)
        if isinstance(item, dict) and item.get("type") in _OF_MEDIA
        else cleaned_media([item])[0]
        for item in items
    ]


def describe(outputs: Any, hidden: Mapping[str, Any], arguments: Mapping[str, Any]) -> Answer:
    """
    Return an answer from a response dict and what LiteLLM tells beside it.

    Args:
        outputs: The response as plain data; is changed.
        hidden: LiteLLM's hidden parameters of it.
        arguments: The call's arguments by name.
    """
    told = response_attributes.describe(outputs, hidden, arguments)
    if isinstance(outputs, dict):
        incomplete = outputs.get("incomplete_details")
        reason = incomplete.get("reason") if isinstance(incomplete, dict) else None
        if reason := reason or outputs.get("status"):
            told.attributes["finish_reasons"] = [reason]
        if hold_media(outputs.get("output")):
            told.has_media = True
            outputs["output"] = cleaned(outputs["output"])
    return told
