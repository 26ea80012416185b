"""
Web searches: ``litellm.search`` and ``asearch``.

Results are recorded as the documents of a retriever, which MLflow's UI and scorers read:
https://mlflow.org/docs/latest/genai/concepts/span/#retriever-spans
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes, response_attributes
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import dicts, redact_data
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "failure", "parse_response", "request"]

# https://docs.litellm.ai/docs/search
RECORDED = frozenset({
    "country", "exclude_domains", "include_domains", "max_results", "max_tokens_per_page",
    "num_retries", "query", "search_depth", "search_domain_filter", "search_provider",
    "search_tool_name", "time_range", "topic",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets."""
    return request_attributes.request(arguments, RECORDED)


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``SearchResponse``; other responses become JSON types."""
    outputs = to_jsonable(response)
    parsed = response_attributes.make_response(
        outputs, read_hidden_params(response), _with_provider(arguments)
    )
    if isinstance(outputs, dict):
        parsed.outputs = [_document(result) for result in dicts(outputs.get("results"))]
    response_attributes.set_response_cost(parsed, response, arguments)
    return parsed


def failure(error: BaseException, arguments: Mapping[str, Any]) -> Response:
    """Return the span attributes of a failed call."""
    return response_attributes.failure(error, _with_provider(arguments))


def _document(result: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = redact_data(result)
    text = metadata.pop("snippet", None)
    if url := metadata.pop("url", None):
        metadata["doc_uri"] = url
    return {"page_content": text, "metadata": metadata}


def _with_provider(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {**arguments, "custom_llm_provider": arguments.get("search_provider")}
