"""
The items that a responses call is given and answers with: messages, calls of tools, reasoning.

https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import response_attributes
from mlflow_litellm._payloads.media import dicts, has_media, redact_data, redact_media

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

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


def redact_named_secrets(items: list[Any]) -> list[Any]:
    """Return items with media as MLflow takes them, and without the signatures of their URLs."""
    return [
        redact_data(item)
        if isinstance(item, dict) and item.get("type") in _OF_MEDIA
        else redact_media([item])[0]
        for item in items
    ]


def items_response(
    outputs: Any, hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Response:
    """
    Return an answer from a response dict and what LiteLLM tells beside it.

    Args:
        outputs: The response as plain data; is changed.
        hidden: LiteLLM's hidden parameters of it.
        arguments: The call's arguments by name.
    """
    parsed = response_attributes.make_response(outputs, hidden_params, arguments)
    if isinstance(outputs, dict):
        incomplete = outputs.get("incomplete_details")
        reason = incomplete.get("reason") if isinstance(incomplete, dict) else None
        if reason := reason or outputs.get("status"):
            parsed.attributes["finish_reasons"] = [reason]
        if hold_media(outputs.get("output")):
            parsed.has_media = True
            outputs["output"] = redact_named_secrets(outputs["output"])
    return parsed
