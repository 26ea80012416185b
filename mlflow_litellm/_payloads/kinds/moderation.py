"""
Moderation of texts and pictures: ``litellm.moderation`` and ``amoderation``.

https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import endpoint, request_attributes, response_attributes
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import dicts, redact_data
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "failure", "parse_response", "request"]

# https://docs.litellm.ai/docs/moderation
RECORDED = frozenset({"input", "model", "user"})


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets."""
    parsed = request_attributes.request(arguments, RECORDED)
    if dicts(parsed.inputs.get("input")):
        parsed.has_media = True
        parsed.inputs["input"] = redact_data(parsed.inputs["input"])
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``OpenAIModerationResponse``; other responses become JSON types."""
    outputs = to_jsonable(response)
    parsed = response_attributes.make_response(
        outputs, read_hidden_params(response), _with_provider(arguments)
    )
    results = dicts(outputs.get("results")) if isinstance(outputs, dict) else []
    if results:
        parsed.attributes["flagged"] = any(result.get("flagged") for result in results)
    response_attributes.set_response_cost(parsed, response, arguments)
    return parsed


def failure(error: BaseException, arguments: Mapping[str, Any]) -> Response:
    """Return the span attributes of a failed call."""
    return response_attributes.failure(error, _with_provider(arguments))


def _with_provider(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with their provider, or with LiteLLM's default provider."""
    provider = endpoint.named_provider(arguments) or "openai"
    return {**arguments, "custom_llm_provider": provider}
