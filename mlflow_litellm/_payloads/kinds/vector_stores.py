"""
Searches of a vector store: ``litellm.vector_stores.search`` and ``asearch``.

The shapes are OpenAI's, which LiteLLM keeps for every provider. Results are recorded as the
documents of a retriever, which MLflow's UI and scorers read:
https://platform.openai.com/docs/api-reference/vector-stores/search and
https://mlflow.org/docs/latest/genai/concepts/span/#retriever-spans
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import dicts, redact_data
from mlflow_litellm._payloads.response_attributes import failure, make_response, set_response_cost
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "failure", "parse_response", "request"]

# https://docs.litellm.ai/docs/vector_stores/search
RECORDED = frozenset({
    "filters", "max_num_results", "num_retries", "query", "ranking_options", "rewrite_query",
    "vector_store_id",
})  # fmt: skip
# The limit for one document, in characters: a store may hold whole files.
_LONGEST = 10_000


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets."""
    return request_attributes.request(arguments, RECORDED)


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``VectorStoreSearchResponse``; other responses become JSON types."""
    outputs = to_jsonable(response)
    parsed = make_response(outputs, read_hidden_params(response), arguments)
    if isinstance(outputs, dict):
        parsed.outputs = [_document(result) for result in dicts(outputs.get("data"))]
    set_response_cost(parsed, response, arguments)
    return parsed


def _document(result: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = redact_data(result)
    texts = [part.get("text") for part in dicts(metadata.pop("content", None))]
    if name := metadata.pop("filename", None):
        metadata["doc_uri"] = name
    return {"page_content": _bounded("\n".join(filter(None, texts))), "metadata": metadata}


def _bounded(text: str) -> str:
    left = len(text) - _LONGEST
    return f"{text[:_LONGEST]}… <{left} more characters>" if left > 0 else text
