"""The outputs of a chat completion, in one shape with and without streaming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import response_attributes
from mlflow_litellm._payloads.media import dicts, has_media, redact_media_in_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response


def chat_response(
    outputs: Any, hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Response:
    """
    Return a response from a chat completion dict and LiteLLM's hidden parameters.

    Args:
        outputs: The chat completion as JSON types; this function changes it.
        hidden_params: LiteLLM's hidden parameters of the response.
        arguments: The call's arguments by name.
    """
    parsed = response_attributes.make_response(outputs, hidden_params, arguments)
    if isinstance(outputs, dict):
        _tidy(parsed)
    return parsed


def _tidy(parsed: Response) -> None:
    """Change the outputs to OpenAI's schema, and set the finish reasons and `has_media`."""
    choices = dicts(parsed.outputs.get("choices"))
    messages = [choice.setdefault("message", {}) for choice in choices]
    for message in messages:
        if isinstance(content := message.setdefault("content", None), str):
            message["content"] = redact_media_in_text(content)
        for call in dicts(message.get("tool_calls")):
            # LiteLLM adds it for some providers; OpenAI has it only in chunks.
            call.pop("index", None)
    for item in (parsed.outputs, *choices, *messages):
        _drop_empty(item, "provider_specific_fields")
    parsed.attributes["finish_reasons"] = [choice.get("finish_reason") for choice in choices]
    parsed.has_media = has_media(messages)


def _drop_empty(item: dict[str, Any], name: str) -> None:
    """Drop an inner dict, if all its values are None: LiteLLM fills it in."""
    inner = item.pop(name, None)
    if isinstance(inner, dict):
        inner = {key: value for key, value in inner.items() if value is not None}
    if inner:
        item[name] = inner
