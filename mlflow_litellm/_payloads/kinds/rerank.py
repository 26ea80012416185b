"""
Rankings of documents by a query: ``litellm.rerank`` and ``arerank``.

The shapes are Cohere's, which LiteLLM keeps for every provider:
https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import redact_data
from mlflow_litellm._payloads.response_attributes import failure, make_response, set_response_cost
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.usage import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "failure", "parse_response", "request"]

# https://docs.litellm.ai/docs/rerank
RECORDED = frozenset({
    "documents", "fallbacks", "instruction", "max_chunks_per_doc", "max_tokens_per_doc",
    "max_tokens_per_query", "model", "num_retries", "query", "rank_fields", "return_documents",
    "top_n", "truncate_prompt_tokens", "truncation_side", "user",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets."""
    parsed = request_attributes.request(arguments, RECORDED)
    if "documents" in parsed.inputs:
        parsed.inputs["documents"] = redact_data(parsed.inputs["documents"])
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``RerankResponse``; other responses become JSON types."""
    outputs = to_jsonable(response)
    parsed = make_response(outputs, read_hidden_params(response), arguments)
    meta = outputs.get("meta") if isinstance(outputs, dict) else None
    if isinstance(meta, dict):
        # Providers that bill by tokens have their counts here.
        parsed.usage = tokens(meta.get("tokens")) or tokens(meta.get("billed_units"))
    set_response_cost(parsed, response, arguments)
    return parsed
