"""
Rankings of documents by a query: ``litellm.rerank`` and ``arerank``.

The shapes are Cohere's, which LiteLLM keeps for every provider:
https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import hidden_params
from mlflow_litellm._payloads.media import cleaned_data
from mlflow_litellm._payloads.response_attributes import describe, failure, tell_answer_cost
from mlflow_litellm._payloads.serialize import plain
from mlflow_litellm._payloads.usage import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Answer, Request

__all__ = ["RECORDED", "answer", "failure", "request"]

# https://docs.litellm.ai/docs/rerank
RECORDED = frozenset({
    "documents", "fallbacks", "instruction", "max_chunks_per_doc", "max_tokens_per_doc",
    "max_tokens_per_query", "model", "num_retries", "query", "rank_fields", "return_documents",
    "top_n", "truncate_prompt_tokens", "truncation_side", "user",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    told = request_attributes.request(arguments, RECORDED)
    if "documents" in told.inputs:
        told.inputs["documents"] = cleaned_data(told.inputs["documents"])
    return told


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what a ``RerankResponse`` says; of anything else, its plain data."""
    outputs = plain(response)
    told = describe(outputs, hidden_params(response), arguments)
    meta = outputs.get("meta") if isinstance(outputs, dict) else None
    if isinstance(meta, dict):
        # Providers that bill by tokens have them there.
        told.usage = tokens(meta.get("tokens")) or tokens(meta.get("billed_units"))
    tell_answer_cost(told, response, arguments)
    return told
