"""LiteLLM's hidden parameters of a response, and the span attributes from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from mlflow_litellm._common import attributes as names
from mlflow_litellm._payloads.base import CACHED
from mlflow_litellm._payloads.serialize import number, to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

# The response headers of each span attribute. An allowlist: other headers hold cookies.
# LiteLLM keeps OpenAI's header names, and adds this prefix to every provider's.
_PREFIX = "llm_provider-"
_COUNTS = {
    names.RATELIMIT_REQUESTS: (
        "x-ratelimit-remaining-requests",
        "anthropic-ratelimit-requests-remaining",
    ),
    names.RATELIMIT_TOKENS: (
        "x-ratelimit-remaining-tokens",
        "anthropic-ratelimit-tokens-remaining",
    ),
    names.ATTEMPTED_RETRIES: ("x-litellm-attempted-retries",),
    names.ATTEMPTED_FALLBACKS: ("x-litellm-attempted-fallbacks",),
}


def read_hidden_params(result: object) -> dict[str, Any]:
    """
    Return LiteLLM's hidden parameters of a response, a chunk or a stream; empty if it has none.

    ``_hidden_params`` has a private name, but LiteLLM's documentation recommends to read it:
    https://docs.litellm.ai/docs/completion/token_usage
    """
    hidden_params = getattr(result, "_hidden_params", None)
    if hidden_params is None and isinstance(result, dict):
        hidden_params = result.get("_hidden_params")
    # Text completions have a model object here, not a dict.
    if isinstance(hidden_params, BaseModel):
        return {**vars(hidden_params), **(hidden_params.model_extra or {})}
    return hidden_params if isinstance(hidden_params, dict) else {}


def is_cache_hit(hidden_params: Mapping[str, Any]) -> bool:
    """Return whether a response is from LiteLLM's cache; older versions only name the provider."""
    return (
        bool(hidden_params.get("cache_hit")) or hidden_params.get("custom_llm_provider") == CACHED
    )


def call_attributes(hidden_params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span attributes in hidden parameters; unknown ones are absent."""
    headers = hidden_params.get("additional_headers")
    values = {
        names.CALL_ID: hidden_params.get("litellm_call_id"),
        names.MODEL_ID: hidden_params.get("model_id"),
        names.OVERHEAD_MS: number(hidden_params.get("litellm_overhead_time_ms")),
    }
    fields = {key: to_jsonable(value) for key, value in values.items() if value not in (None, "")}
    return {**fields, **header_attributes(headers)} if headers else fields


def header_attributes(headers: object) -> dict[str, int]:
    """Return the rate limits and retries in response headers; no other header is read."""
    attributes: dict[str, int] = {}
    for attribute, sources in _COUNTS.items():
        counts = (_count(headers, name) for name in sources)
        if (count := next((count for count in counts if count is not None), None)) is not None:
            attributes[attribute] = count
    return attributes


def failure_attributes(error: BaseException, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span attributes in an exception of LiteLLM's."""
    fields = header_attributes(getattr(error, "litellm_response_headers", None))
    retries = getattr(error, "num_retries", None)
    # In Router's calls, this is the deployment's setting, not the number of retries.
    if type(retries) is int and arguments.get("num_retries") and not arguments.get("model_info"):
        fields.setdefault(names.ATTEMPTED_RETRIES, retries)
    # LiteLLM's own code, which decides on retries and fallbacks. It may exist without a response.
    if type(code := getattr(error, "status_code", None)) is int:
        fields[names.ERROR_CODE] = code
    return fields


def _count(headers: object, name: str) -> int | None:
    get = getattr(headers, "get", None)
    value = get and (get(name) or get(_PREFIX + name))
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if type(value) is int else None
