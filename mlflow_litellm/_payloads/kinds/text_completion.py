"""
Text completions: ``litellm.text_completion`` and ``atext_completion``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import hidden_params
from mlflow_litellm._payloads.outputs import texts
from mlflow_litellm._payloads.response_attributes import (
    failure,
    tell_answer_cost,
    tell_stream_cost,
)
from mlflow_litellm._payloads.serialize import plain
from mlflow_litellm._payloads.streams.text_completion_stream import Accumulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Answer, Request

__all__ = ["RECORDED", "Accumulator", "answer", "failure", "request"]

# https://platform.openai.com/docs/api-reference/completions/create and
# https://docs.litellm.ai/docs/text_completion
RECORDED = frozenset({
    "additional_drop_params", "allowed_openai_params", "best_of", "drop_params", "echo", "engine",
    "fallbacks", "frequency_penalty", "guardrails", "logit_bias", "logprobs", "max_tokens",
    "min_p", "min_tokens", "model", "n", "num_retries", "presence_penalty", "prompt",
    "repetition_penalty", "seed", "stop", "stream", "stream_options", "suffix", "temperature",
    "top_k", "top_p", "user",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    told = request_attributes.request(arguments, RECORDED)
    if told.model is None and (engine := told.inputs.get("engine")):
        told.model = told.attributes["model"] = engine
    return told


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what a ``TextCompletionResponse`` says; of anything else, its plain data."""
    hidden = hidden_params(response)
    told = texts.describe(plain(response), hidden, arguments)
    tell_answer_cost(told, response, arguments)
    # LiteLLM tells no cost where it made a chat completion of the call.
    tell_stream_cost(told, None, hidden, arguments)
    return told
