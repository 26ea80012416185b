"""What LiteLLM tells beside an answer: its hidden parameters, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

# What LiteLLM calls the provider of a stream that it plays back from its cache.
CACHED = "cached_response"

# Span attributes by the header that tells them. An allowlist: cookies stand beside them.
# LiteLLM passes OpenAI's names on as they are, and any provider's with this prefix.
_PREFIX = "llm_provider-"
_COUNTS = {
    "ratelimit_remaining_requests": (
        "x-ratelimit-remaining-requests",
        "anthropic-ratelimit-requests-remaining",
    ),
    "ratelimit_remaining_tokens": (
        "x-ratelimit-remaining-tokens",
        "anthropic-ratelimit-tokens-remaining",
    ),
    "attempted_retries": ("x-litellm-attempted-retries",),
    "attempted_fallbacks": ("x-litellm-attempted-fallbacks",),
}


def read_hidden_params(result: Any) -> dict[str, Any]:
    """
    Return what LiteLLM hangs on a response, a chunk or a stream beside the provider's answer.

    ``_hidden_params`` is private in name, but LiteLLM's documentation tells users to read it:
    https://docs.litellm.ai/docs/completion/token_usage. Empty where there is none.
    """
    hidden_params = getattr(result, "_hidden_params", None)
    if hidden_params is None and isinstance(result, dict):
        hidden_params = result.get("_hidden_params")
    # Of text completions it is an object of its own.
    if isinstance(hidden_params, BaseModel):
        return {**vars(hidden_params), **(hidden_params.model_extra or {})}
    return hidden_params if isinstance(hidden_params, dict) else {}


def is_cache_hit(hidden_params: Mapping[str, Any]) -> bool:
    """Tell whether LiteLLM's cache answered; older versions say so of streams by the provider."""
    return (
        bool(hidden_params.get("cache_hit")) or hidden_params.get("custom_llm_provider") == CACHED
    )


def call_attributes(hidden_params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span attributes that hidden parameters carry; what is unknown is absent."""
    headers = hidden_params.get("additional_headers")
    known = {
        "litellm_call_id": hidden_params.get("litellm_call_id"),
        "cache_hit": is_cache_hit(hidden_params),
        "model_id": hidden_params.get("model_id"),
        "litellm_overhead_time_ms": number(hidden_params.get("litellm_overhead_time_ms")),
    }
    fields = {key: to_jsonable(value) for key, value in known.items() if value not in (None, "")}
    return {**fields, **header_attributes(headers)} if headers else fields


def header_attributes(headers: Any) -> dict[str, int]:
    """Return what response headers tell of rate limits and retries; every other stays out."""
    found: dict[str, int] = {}
    for attribute, names in _COUNTS.items():
        counts = (_count(headers, name) for name in names)
        if (count := next((count for count in counts if count is not None), None)) is not None:
            found[attribute] = count
    return found


def failure_attributes(error: BaseException, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span attributes that an exception of LiteLLM's carries."""
    fields = header_attributes(getattr(error, "litellm_response_headers", None))
    retries = getattr(error, "num_retries", None)
    # From Router it is the deployment's setting, however often it was tried.
    if type(retries) is int and arguments.get("num_retries") and not arguments.get("model_info"):
        fields.setdefault("attempted_retries", retries)
    # LiteLLM's, by which it decides on retries and fallbacks: no answer may have come.
    if type(code := getattr(error, "status_code", None)) is int:
        fields["error_code"] = code
    return fields


def number(value: Any) -> float | None:
    """Return an int or a float as it is, and anything else, bools among it, as None."""
    return value if type(value) in (int, float) else None


def _count(headers: Any, name: str) -> int | None:
    get = getattr(headers, "get", None)
    value = get and (get(name) or get(_PREFIX + name))
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if type(value) is int else None
