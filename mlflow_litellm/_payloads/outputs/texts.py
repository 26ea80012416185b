"""The outputs of a text completion, in one shape with and without streaming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import response_attributes
from mlflow_litellm._payloads.media import dicts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response


def text_response(
    outputs: Any, hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Response:
    """
    Return a response from a text completion dict and LiteLLM's hidden parameters.

    Args:
        outputs: The text completion as JSON types.
        hidden_params: LiteLLM's hidden parameters of the response.
        arguments: The call's arguments by name.
    """
    parsed = response_attributes.make_response(outputs, hidden_params, arguments)
    if isinstance(outputs, dict):
        choices = dicts(outputs.get("choices"))
        parsed.attributes["finish_reasons"] = [choice.get("finish_reason") for choice in choices]
    return parsed
