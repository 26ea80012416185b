"""
The items in the inputs and outputs of responses calls: messages, tool calls, reasoning.

https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import response_attributes
from mlflow_litellm._payloads.media import dicts, has_media, redact_data, redact_media

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

# Items that hold pictures or files outside the content of a message.
_PICTURES = frozenset({"code_interpreter_call", "image_generation_call"})
_OF_MEDIA = _PICTURES | {"computer_call_output", "function_call_output"}


def hold_media(items: Any) -> bool:
    """Return whether items hold anything other than text."""
    if has_media(items):
        return True
    return any(
        item["type"] in _PICTURES or isinstance(item.get("output"), (dict, list))
        for item in dicts(items)
        if item.get("type") in _OF_MEDIA
    )


def redact_named_secrets(items: list[Any]) -> list[Any]:
    """Return items with their media as data URIs, and without the signatures in URLs."""
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
    Return a response from OpenAI's response dict and LiteLLM's hidden parameters.

    Args:
        outputs: OpenAI's response as JSON types; this function changes it.
        hidden_params: LiteLLM's hidden parameters of the response.
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
