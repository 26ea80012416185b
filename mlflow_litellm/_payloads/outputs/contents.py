"""
The contents of Gemini's requests, and the candidates of Gemini's responses.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import response_attributes
from mlflow_litellm._payloads.media import dicts, redact_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

_MEDIA = frozenset({"fileData", "file_data", "inlineData", "inline_data"})
_NAMES = ("usageMetadata", "modelVersion")


def hold_media(contents: Any) -> bool:
    """Return whether contents, parts or candidates hold anything other than text."""
    return any(
        _MEDIA & item.keys() or hold_media(item.get("parts")) or hold_media(item.get("content"))
        for item in dicts([contents] if isinstance(contents, dict) else contents)
    )


def contents_response(
    outputs: Any, hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Response:
    """
    Return a response from Gemini's response dict and LiteLLM's hidden parameters.

    Args:
        outputs: Gemini's response as JSON types; this function changes it.
        hidden_params: LiteLLM's hidden parameters of the response.
        arguments: The call's arguments by name.
    """
    parsed = response_attributes.make_response(outputs, hidden_params, arguments, _NAMES)
    if isinstance(outputs, dict):
        candidates = outputs.get("candidates")
        reasons = [candidate.get("finishReason") for candidate in dicts(candidates)]
        parsed.attributes["finish_reasons"] = reasons
        if hold_media(candidates):
            parsed.has_media = True
            outputs["candidates"] = redact_data(candidates)
    return parsed
