"""
Text completions: ``litellm.text_completion`` and ``atext_completion``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.outputs import texts
from mlflow_litellm._payloads.response_attributes import (
    failure,
    set_response_cost,
    set_stream_cost,
)
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.text_completion_stream import Accumulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "Accumulator", "failure", "parse_response", "request"]

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
    """Return a call's request: the allowed arguments, without secrets."""
    parsed = request_attributes.request(arguments, RECORDED)
    if parsed.model is None and (engine := parsed.inputs.get("engine")):
        parsed.model = parsed.attributes["model"] = engine
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``TextCompletionResponse``; other responses become JSON types."""
    hidden_params = read_hidden_params(response)
    parsed = texts.text_response(to_jsonable(response), hidden_params, arguments)
    set_response_cost(parsed, response, arguments)
    # LiteLLM gives no cost if it turned the call into a chat completion.
    set_stream_cost(parsed, None, hidden_params, arguments)
    return parsed
