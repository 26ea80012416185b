"""
Gemini's interactions: ``litellm.interactions.create`` and ``acreate``.

The shapes are Google's, which LiteLLM keeps for every provider:
https://ai.google.dev/api/interactions-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm.payloads import _requests, _steps
from mlflow_litellm.payloads._answers import body, failure, tell_answer_cost
from mlflow_litellm.payloads._hidden import hidden_params
from mlflow_litellm.payloads._media import cleaned_data
from mlflow_litellm.payloads._secrets import cleaned
from mlflow_litellm.payloads._tools import chat_tools
from mlflow_litellm.payloads.interactions_stream import Accumulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm.payloads import Answer, Request

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
    told = _requests.request(arguments, RECORDED)
    told.tools = chat_tools(told.tools)
    if "environment" in told.inputs:
        # What an agent may reach, and what opens it.
        told.inputs["environment"] = cleaned(told.inputs["environment"])
    if _steps.hold_media(told.inputs.get("input")):
        told.has_media = True
        told.inputs["input"] = cleaned_data(told.inputs["input"])
    return told


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what an ``InteractionsAPIResponse`` says; of anything else, its plain data."""
    told = _steps.describe(body(response), hidden_params(response), arguments)
    tell_answer_cost(told, response, arguments)
    return told
