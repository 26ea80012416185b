"""
Chat completions: ``litellm.completion`` and ``acompletion``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.base import Response
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import has_media, redact_media
from mlflow_litellm._payloads.outputs import chat
from mlflow_litellm._payloads.response_attributes import failure, set_response_cost
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.chat_stream import Accumulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request

__all__ = ["RECORDED", "Accumulator", "failure", "parse_response", "request"]

# The parameters of OpenAI and LiteLLM that shape the response. An allowlist: providers take any
# further argument, such as keys and tokens, so that no list of secrets is ever complete.
# https://docs.litellm.ai/docs/completion/input
RECORDED = frozenset({
    "additional_drop_params", "allowed_openai_params", "assistant_continue_message", "audio",
    "bos_token", "cache_control_injection_points", "content_policy_fallbacks", "context_management",
    "context_window_fallback_dict", "context_window_fallbacks", "drop_params",
    "enable_json_schema_validation", "ensure_alternating_roles", "eos_token", "fallbacks",
    "final_prompt_value", "frequency_penalty", "function_call", "functions", "guardrails",
    "include_server_side_tool_invocations", "initial_prompt_value", "litellm_system_prompt",
    "logit_bias", "logprobs", "max_completion_tokens", "max_fallbacks", "max_rounds", "max_tokens",
    "merge_reasoning_content_in_choices", "messages", "min_p", "min_tokens", "modalities", "model",
    "model_list", "models", "n", "num_retries", "parallel_tool_calls", "prediction",
    "presence_penalty", "prompt_cache_key", "prompt_cache_retention", "prompt_id", "prompt_label",
    "prompt_variables", "prompt_version", "reasoning_effort", "repetition_penalty", "rerank",
    "response_format", "retrieval_config", "roles", "safety_identifier", "safety_settings", "seed",
    "service_tier", "stop", "store", "stream", "stream_options", "supports_system_message",
    "temperature", "thinking", "tool_choice", "tools", "top_a", "top_k", "top_logprobs", "top_p",
    "typical_p", "user", "user_continue_message", "verbosity", "web_search_options",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets."""
    parsed = request_attributes.request(arguments, RECORDED)
    # The UI's chat view and the GenAI translation for OTLP read the shapes by this format.
    parsed.message_format = "openai"
    if has_media(parsed.inputs.get("messages")):
        parsed.has_media = True
        parsed.inputs["messages"] = redact_media(parsed.inputs["messages"])
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """
    Return a parsed ``ModelResponse``, or a list of them as one response.

    Other responses become JSON types.
    """
    if isinstance(response, list):
        responses = [parse_response(item, arguments) for item in response]
        outputs = [parsed.outputs for parsed in responses]
        return Response(outputs, has_media=any(parsed.has_media for parsed in responses))
    parsed = chat.chat_response(to_jsonable(response), read_hidden_params(response), arguments)
    set_response_cost(parsed, response, arguments)
    return parsed
