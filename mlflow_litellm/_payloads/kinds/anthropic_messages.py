"""
Messages: ``litellm.anthropic_messages`` and ``litellm.anthropic.messages``.

The shapes are Anthropic's, which LiteLLM keeps for every provider:
https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import hidden_params
from mlflow_litellm._payloads.media import cleaned_media, has_media
from mlflow_litellm._payloads.response_attributes import (
    body,
    describe,
    failure,
    tell_answer_cost,
    tell_stream_cost,
)
from mlflow_litellm._payloads.streams.anthropic_messages_stream import Accumulator
from mlflow_litellm._payloads.tools import chat_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Answer, Request

__all__ = ["RECORDED", "Accumulator", "answer", "failure", "request"]

# https://docs.anthropic.com/en/api/messages and https://docs.litellm.ai/docs/anthropic_unified
RECORDED = frozenset({
    "additional_drop_params", "cache_control", "container", "context_management", "drop_params",
    "fallbacks", "guardrails", "inference_geo", "max_tokens", "mcp_servers", "messages", "model",
    "num_retries", "output_config", "output_format", "reasoning_effort", "service_tier", "speed",
    "stop_sequences", "stream", "system", "temperature", "thinking", "tool_choice", "tools",
    "top_k", "top_p",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    told = request_attributes.request(arguments, RECORDED)
    told.message_format = "anthropic"
    told.tools = chat_tools(told.tools)
    if has_media(told.inputs.get("messages")):
        told.has_media = True
        told.inputs["messages"] = cleaned_media(told.inputs["messages"])
    return told


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what a message, which is a dict, says; of anything else, its plain data."""
    hidden = hidden_params(response)
    told = describe(body(response), hidden, arguments)
    if isinstance(told.outputs, dict):
        told.attributes["finish_reasons"] = [told.outputs.get("stop_reason")]
    tell_answer_cost(told, response, arguments)
    # LiteLLM tells no cost with a dict.
    tell_stream_cost(told, None, hidden, arguments)
    return told
