"""
What Gemini is given and answers with: contents of parts, candidates.

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
    """Tell whether contents, parts or candidates, as plain data, hold anything but text."""
    return any(
        _MEDIA & item.keys() or hold_media(item.get("parts")) or hold_media(item.get("content"))
        for item in dicts([contents] if isinstance(contents, dict) else contents)
    )


def contents_response(
    outputs: Any, hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Response:
    """
    Return an answer from a response dict and what LiteLLM tells beside it.

    Args:
        outputs: The response as plain data; is changed.
        hidden: LiteLLM's hidden parameters of it.
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
