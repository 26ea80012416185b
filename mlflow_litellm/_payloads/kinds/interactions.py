"""
Gemini's interactions: ``litellm.interactions.create`` and ``acreate``.

The shapes are Google's, which LiteLLM keeps for every provider:
https://ai.google.dev/api/interactions-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import hidden_params
from mlflow_litellm._payloads.media import cleaned_data
from mlflow_litellm._payloads.outputs import steps
from mlflow_litellm._payloads.response_attributes import body, failure, tell_answer_cost
from mlflow_litellm._payloads.secrets import cleaned
from mlflow_litellm._payloads.streams.interactions_stream import Accumulator
from mlflow_litellm._payloads.tools import chat_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Answer, Request

__all__ = ["RECORDED", "Accumulator", "answer", "failure", "request"]

# https://docs.litellm.ai/docs/interactions
RECORDED = frozenset({
    "agent", "background", "drop_params", "environment", "fallbacks", "generation_config",
    "guardrails", "input", "model", "num_retries", "previous_interaction_id", "response_format",
    "response_mime_type", "response_modalities", "store", "stream", "system_instruction", "tools",
    "user",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    told = request_attributes.request(arguments, RECORDED)
    told.tools = chat_tools(told.tools)
    if "environment" in told.inputs:
        # What an agent may reach, and what opens it.
        told.inputs["environment"] = cleaned(told.inputs["environment"])
    if steps.hold_media(told.inputs.get("input")):
        told.has_media = True
        told.inputs["input"] = cleaned_data(told.inputs["input"])
    return told


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what an ``InteractionsAPIResponse`` says; of anything else, its plain data."""
    told = steps.describe(body(response), hidden_params(response), arguments)
    tell_answer_cost(told, response, arguments)
    return told
