"""
Gemini's interactions: ``litellm.interactions.create`` and ``acreate``.

The shapes are Google's, which LiteLLM keeps for every provider:
https://ai.google.dev/api/interactions-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import redact_data
from mlflow_litellm._payloads.outputs import steps
from mlflow_litellm._payloads.response_attributes import body, failure, set_response_cost
from mlflow_litellm._payloads.secrets import redact_named_secrets
from mlflow_litellm._payloads.streams.interactions_stream import Accumulator
from mlflow_litellm._payloads.tools import chat_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "Accumulator", "failure", "parse_response", "request"]

# https://docs.litellm.ai/docs/interactions
RECORDED = frozenset({
    "agent", "background", "drop_params", "environment", "fallbacks", "generation_config",
    "guardrails", "input", "model", "num_retries", "previous_interaction_id", "response_format",
    "response_mime_type", "response_modalities", "store", "stream", "system_instruction", "tools",
    "user",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets."""
    parsed = request_attributes.request(arguments, RECORDED)
    parsed.tools = chat_tools(parsed.tools)
    if "environment" in parsed.inputs:
        # The resources that an agent may use, and their credentials.
        parsed.inputs["environment"] = redact_named_secrets(parsed.inputs["environment"])
    if steps.hold_media(parsed.inputs.get("input")):
        parsed.has_media = True
        parsed.inputs["input"] = redact_data(parsed.inputs["input"])
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``InteractionsAPIResponse``; other responses become JSON types."""
    parsed = steps.steps_response(body(response), read_hidden_params(response), arguments)
    set_response_cost(parsed, response, arguments)
    return parsed
