"""
Responses: ``litellm.responses`` and ``aresponses``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import hidden_params
from mlflow_litellm._payloads.outputs import items
from mlflow_litellm._payloads.response_attributes import body, failure, tell_answer_cost
from mlflow_litellm._payloads.secrets import cleaned
from mlflow_litellm._payloads.streams.responses_stream import Accumulator
from mlflow_litellm._payloads.tools import chat_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Answer, Request

__all__ = ["RECORDED", "Accumulator", "answer", "failure", "request"]

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
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    told = request_attributes.request(arguments, RECORDED)
    told.message_format = "openai"
    told.tools = chat_tools(told.tools)
    if "prompt" in told.inputs:
        # A stored prompt's variables, by whatever names.
        told.inputs["prompt"] = cleaned(told.inputs["prompt"])
    if items.hold_media(told.inputs.get("input")):
        told.has_media = True
        told.inputs["input"] = items.cleaned(told.inputs["input"])
    return told


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what a ``ResponsesAPIResponse`` says; of anything else, its plain data."""
    told = items.describe(body(response), hidden_params(response), arguments)
    tell_answer_cost(told, response, arguments)
    return told
