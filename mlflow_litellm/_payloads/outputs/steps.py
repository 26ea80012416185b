"""
The steps in the inputs and outputs of interactions, and their tokens.

https://ai.google.dev/api/interactions-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import response_attributes
from mlflow_litellm._payloads.media import dicts, redact_data
from mlflow_litellm._payloads.usage import token_attributes, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

_MEDIA = frozenset({"audio", "document", "image", "video"})
# The interactions' counts, with the names of Gemini's other API.
_COUNTS = {
    "total_input_tokens": "promptTokenCount",
    "total_output_tokens": "candidatesTokenCount",
    "total_cached_tokens": "cachedContentTokenCount",
    "total_reasoning_tokens": "thoughtsTokenCount",
    "total_thought_tokens": "thoughtsTokenCount",
    "total_tokens": "totalTokenCount",
}


def hold_media(items: Any) -> bool:
    """Return whether steps, turns or contents hold anything other than text."""
    return any(
        item.get("type") in _MEDIA or hold_media(item.get("content"))
        for item in dicts([items] if isinstance(items, dict) else items)
    )


def steps_response(
    outputs: Any, hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Response:
    """
    Return a response from an interaction dict and LiteLLM's hidden parameters.

    Args:
        outputs: The interaction as JSON types; this function changes it.
        hidden_params: LiteLLM's hidden parameters of the response.
        arguments: The call's arguments by name.
    """
    parsed = response_attributes.make_response(outputs, hidden_params, arguments)
    if isinstance(outputs, dict):
        usage = _counts(outputs.get("usage") or {})
        parsed.usage = tokens(usage)
        parsed.attributes.update(token_attributes(usage))
        if status := outputs.get("status"):
            parsed.attributes["finish_reasons"] = [status]
        for name in ("steps", "outputs"):
            if hold_media(outputs.get(name)):
                parsed.has_media = True
                outputs[name] = redact_data(outputs[name])
    return parsed


def _counts(usage: Mapping[str, Any]) -> dict[str, Any]:
    counts = {name: usage[key] for key, name in _COUNTS.items() if key in usage}
    # Tokens that a tool adds to the prompt are counted separately, and billed with the prompt.
    if tools := usage.get("total_tool_use_tokens"):
        counts["promptTokenCount"] = counts.get("promptTokenCount", 0) + tools
    return counts
