"""
Chat completions: ``litellm.completion`` and ``acompletion``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.base import Answer
from mlflow_litellm._payloads.hidden_params import hidden_params
from mlflow_litellm._payloads.media import cleaned_media, has_media
from mlflow_litellm._payloads.outputs import chat
from mlflow_litellm._payloads.response_attributes import failure, tell_answer_cost
from mlflow_litellm._payloads.serialize import plain
from mlflow_litellm._payloads.streams.chat_stream import Accumulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request

__all__ = ["RECORDED", "Accumulator", "answer", "failure", "request"]

# What shapes the answer, of OpenAI's parameters and LiteLLM's own. An allowlist: providers take
# any further argument, keys and tokens among them, so that no list of secrets is ever whole.
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
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    told = request_attributes.request(arguments, RECORDED)
    # What the UI's chat view, and the GenAI translation of OTLP, read these shapes by.
    told.message_format = "openai"
    if has_media(told.inputs.get("messages")):
        told.has_media = True
        told.inputs["messages"] = cleaned_media(told.inputs["messages"])
    return told


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what a ``ModelResponse`` says, or a list of them; of anything else, its plain data."""
    if isinstance(response, list):
        answers = [answer(item, arguments) for item in response]
        outputs = [told.outputs for told in answers]
        return Answer(outputs, has_media=any(told.has_media for told in answers))
    told = chat.describe(plain(response), hidden_params(response), arguments)
    tell_answer_cost(told, response, arguments)
    return told
