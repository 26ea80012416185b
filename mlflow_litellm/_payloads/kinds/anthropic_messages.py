"""
Messages: ``litellm.anthropic_messages`` and ``litellm.anthropic.messages``.

The shapes are Anthropic's, which LiteLLM keeps for every provider:
https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import has_media, redact_media
from mlflow_litellm._payloads.response_attributes import (
    body,
    failure,
    make_response,
    set_response_cost,
    set_stream_cost,
)
from mlflow_litellm._payloads.streams.anthropic_messages_stream import Accumulator
from mlflow_litellm._payloads.tools import chat_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "Accumulator", "failure", "parse_response", "request"]

# https://docs.anthropic.com/en/api/messages and https://docs.litellm.ai/docs/anthropic_unified
RECORDED = frozenset({
    "additional_drop_params", "cache_control", "container", "context_management", "drop_params",
    "fallbacks", "guardrails", "inference_geo", "max_tokens", "mcp_servers", "messages", "model",
    "num_retries", "output_config", "output_format", "reasoning_effort", "service_tier", "speed",
    "stop_sequences", "stream", "system", "temperature", "thinking", "tool_choice", "tools",
    "top_k", "top_p",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets."""
    parsed = request_attributes.request(arguments, RECORDED)
    parsed.message_format = "anthropic"
    parsed.tools = chat_tools(parsed.tools)
    if has_media(parsed.inputs.get("messages")):
        parsed.has_media = True
        parsed.inputs["messages"] = redact_media(parsed.inputs["messages"])
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed message, which is a dict; other responses become JSON types."""
    hidden_params = read_hidden_params(response)
    parsed = make_response(body(response), hidden_params, arguments)
    if isinstance(parsed.outputs, dict):
        parsed.attributes["finish_reasons"] = [parsed.outputs.get("stop_reason")]
    set_response_cost(parsed, response, arguments)
    # LiteLLM gives no cost for a dict.
    set_stream_cost(parsed, None, hidden_params, arguments)
    return parsed
