"""The outputs of a chat completion, as they are recorded of answers and of streams alike."""

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
    Return an answer from a chat completion dict and what LiteLLM tells beside it.

    Args:
        outputs: The chat completion as plain data; is changed.
        hidden: LiteLLM's hidden parameters of it.
        arguments: The call's arguments by name.
    """
    parsed = response_attributes.make_response(outputs, hidden_params, arguments)
    if isinstance(outputs, dict):
        _tidy(parsed)
    return parsed


def _tidy(parsed: Response) -> None:
    """Make the outputs what OpenAI's schema says, and note what they hold."""
    choices = dicts(parsed.outputs.get("choices"))
    messages = [choice.setdefault("message", {}) for choice in choices]
    for message in messages:
        if isinstance(content := message.setdefault("content", None), str):
            message["content"] = redact_media_in_text(content)
        for call in dicts(message.get("tool_calls")):
            # LiteLLM's own for some providers; OpenAI has it in chunks alone.
            call.pop("index", None)
    for item in (parsed.outputs, *choices, *messages):
        _drop_empty(item, "provider_specific_fields")
    parsed.attributes["finish_reasons"] = [choice.get("finish_reason") for choice in choices]
    parsed.has_media = has_media(messages)


def _drop_empty(item: dict[str, Any], name: str) -> None:
    """Drop a dict's dict where it says nothing: LiteLLM fills these with None."""
    said = item.pop(name, None)
    if isinstance(said, dict):
        said = {key: value for key, value in said.items() if value is not None}
    if said:
        item[name] = said
