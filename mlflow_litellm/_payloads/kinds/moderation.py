"""
Moderation of texts and pictures: ``litellm.moderation`` and ``amoderation``.

https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import endpoint, request_attributes, response_attributes
from mlflow_litellm._payloads.hidden_params import hidden_params
from mlflow_litellm._payloads.media import cleaned_data, dicts
from mlflow_litellm._payloads.serialize import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Answer, Request

__all__ = ["RECORDED", "answer", "failure", "request"]

# https://docs.litellm.ai/docs/moderation
RECORDED = frozenset({"input", "model", "user"})


def request(arguments: Mapping[str, Any]) -> Request:
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    told = request_attributes.request(arguments, RECORDED)
    if dicts(told.inputs.get("input")):
        told.has_media = True
        told.inputs["input"] = cleaned_data(told.inputs["input"])
    return told


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what an ``OpenAIModerationResponse`` says; of anything else, its plain data."""
    outputs = plain(response)
    told = response_attributes.describe(outputs, hidden_params(response), _with_provider(arguments))
    results = dicts(outputs.get("results")) if isinstance(outputs, dict) else []
    if results:
        told.attributes["flagged"] = any(result.get("flagged") for result in results)
    response_attributes.tell_answer_cost(told, response, arguments)
    return told


def failure(error: BaseException, arguments: Mapping[str, Any]) -> Answer:
    """Return what is known of a call that failed."""
    return response_attributes.failure(error, _with_provider(arguments))


def _with_provider(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with the provider that LiteLLM takes where they name none."""
    provider = endpoint.named_provider(arguments) or "openai"
    return {**arguments, "custom_llm_provider": provider}
