"""
Responses: ``litellm.responses`` and ``aresponses``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.outputs import items
from mlflow_litellm._payloads.response_attributes import body, failure, set_response_cost
from mlflow_litellm._payloads.secrets import redact_named_secrets
from mlflow_litellm._payloads.streams.responses_stream import Accumulator
from mlflow_litellm._payloads.tools import chat_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "Accumulator", "failure", "parse_response", "request"]

# https://platform.openai.com/docs/api-reference/responses/create and
# https://docs.litellm.ai/docs/response_api
RECORDED = frozenset({
    "additional_drop_params", "allowed_openai_params", "background", "context_management",
    "conversation", "drop_params", "fallbacks", "guardrails", "include", "input", "instructions",
    "max_output_tokens", "max_tool_calls", "model", "num_retries", "parallel_tool_calls",
    "partial_images", "previous_response_id", "prompt", "prompt_cache_key",
    "prompt_cache_retention", "prompt_id", "prompt_label", "prompt_variables", "prompt_version",
    "reasoning", "safety_identifier", "service_tier", "store", "stream", "stream_options",
    "temperature", "text", "text_format", "tool_choice", "tools", "top_logprobs", "top_p",
    "truncation", "use_chat_completions_api", "user",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets."""
    parsed = request_attributes.request(arguments, RECORDED)
    parsed.message_format = "openai"
    parsed.tools = chat_tools(parsed.tools)
    if "prompt" in parsed.inputs:
        # The variables of a stored prompt may have a secret's name.
        parsed.inputs["prompt"] = redact_named_secrets(parsed.inputs["prompt"])
    if items.hold_media(parsed.inputs.get("input")):
        parsed.has_media = True
        parsed.inputs["input"] = items.redact_named_secrets(parsed.inputs["input"])
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``ResponsesAPIResponse``; other responses become JSON types."""
    parsed = items.items_response(body(response), read_hidden_params(response), arguments)
    set_response_cost(parsed, response, arguments)
    return parsed
