"""Tokens by MLflow's names, out of the shapes that providers and LiteLLM count them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def _paths(*dotted: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in dotted)


# Where each count stands; the first place that holds a number is it.
# https://platform.openai.com/docs/api-reference/chat/object (and LiteLLM's ``Usage``)
# https://platform.openai.com/docs/api-reference/responses/object
# https://docs.anthropic.com/en/api/messages#response-usage
# https://ai.google.dev/api/generate-content#UsageMetadata
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
_INPUT = _paths("prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens")
_OUTPUT = _paths("completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens")
_COUNTED = ("prompt_tokens", "completion_tokens")
_TOTAL = _paths("total_tokens", "totalTokenCount", "totalTokens")
_CACHE_READ = _paths(
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "cache_read_input_tokens",
    "cachedContentTokenCount",
    "cacheReadInputTokens",
)
_CACHE_CREATION = _paths(
    "prompt_tokens_details.cache_creation_tokens",
    "prompt_tokens_details.cache_write_tokens",
    "cache_creation_input_tokens",
    "cacheWriteInputTokens",
)
_CACHE_CREATION_1H = _paths(
    "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
)
_DETAILS = {
    "reasoning_tokens": _paths(
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "thoughtsTokenCount",
    ),
    "input_audio_tokens": _paths(
        "prompt_tokens_details.audio_tokens",
        "input_tokens_details.audio_tokens",
        # Of transcriptions alone it is in the singular.
        "input_token_details.audio_tokens",
    ),
    "output_audio_tokens": _paths(
        "completion_tokens_details.audio_tokens",
        "output_tokens_details.audio_tokens",
    ),
}


# The span attribute that says so of tokens, and of their cost.
USAGE_IS_ESTIMATE = "usage_is_estimate"


def is_estimated(chunks: Sequence[Any]) -> bool:
    """
    Tell whether the usage of a stream is LiteLLM's own estimate, by which LiteLLM bills.

    Args:
        chunks: What LiteLLM has read from the provider; empty if that is not known.
    """
    return bool(chunks) and not any(getattr(chunk, "usage", None) for chunk in chunks)


def tokens(usage: Any) -> dict[str, int] | None:
    """
    Return the counts of a usage by MLflow's names; None where nothing was counted.

    MLflow's ``input_tokens`` hold the cached ones, read and written; Anthropic and Bedrock count
    those apart, LiteLLM's ``Usage`` adds them up for every provider:
    https://docs.litellm.ai/docs/completion/prompt_caching

    Args:
        usage: A usage as plain data: LiteLLM's, OpenAI's, Anthropic's, Gemini's or Bedrock's.
    """
    if not isinstance(usage, dict):
        return None
    found = {
        "input_tokens": _first(usage, _INPUT),
        "output_tokens": _output(usage),
        "total_tokens": _first(usage, _TOTAL),
        "cache_read_input_tokens": _first(usage, _CACHE_READ),
        "cache_creation_input_tokens": _first(usage, _CACHE_CREATION),
        "cache_creation_input_tokens_above_1hr": _first(usage, _CACHE_CREATION_1H),
    }
    counts = {name: count for name, count in found.items() if count is not None}
    _include_cached(usage, counts)
    return counts if any(counts.values()) else None


def token_attributes(usage: Any) -> dict[str, int]:
    """Return the counts that MLflow has no name for, as span attributes: reasoning, audio."""
    if not isinstance(usage, dict):
        return {}
    found = {name: _first(usage, paths) for name, paths in _DETAILS.items()}
    # LiteLLM fills in 0 where the provider told nothing.
    return {name: count for name, count in found.items() if count}


def latest(usages: Iterable[Any]) -> dict[str, Any]:
    """
    Return each count of LiteLLM's as it was told last in a stream, and their total.

    Anthropic tells in a stream's first event what went in, and in its last what came out.

    Args:
        usages: Usages as plain data, in their order; what is none is passed over.
    """
    counts: dict[str, Any] = {}
    for usage in usages:
        _take(counts, usage)
    if counts:
        counts["total_tokens"] = sum(counts.get(name, 0) for name in _COUNTED)
    return counts


def _take(counts: dict[str, Any], usage: Any) -> None:
    for name, count in usage.items() if isinstance(usage, dict) else ():
        if isinstance(count, dict):
            _take(counts.setdefault(name, {}), count)
        elif count:
            counts[name] = count


def _include_cached(usage: Mapping[str, Any], counts: dict[str, int]) -> None:
    is_anthropics = "input_tokens" in usage and "input_tokens_details" not in usage
    if "input_tokens" in counts and (is_anthropics or "inputTokens" in usage):
        names = ("cache_read_input_tokens", "cache_creation_input_tokens")
        cached = sum(counts.get(name, 0) for name in names)
        counts["input_tokens"] += cached
        if cached and "output_tokens" in counts:
            # Some versions of LiteLLM add up the others alone.
            counts.pop("total_tokens", None)
    if "total_tokens" not in counts and {"input_tokens", "output_tokens"} <= counts.keys():
        counts["total_tokens"] = counts["input_tokens"] + counts["output_tokens"]


def _output(usage: Mapping[str, Any]) -> int | None:
    said = _first(usage, _OUTPUT)
    # Gemini counts the thoughts apart from the answer.
    thought = _at(usage, ("thoughtsTokenCount",))
    return said if thought is None else (said or 0) + thought


def _first(usage: Mapping[str, Any], paths: tuple[tuple[str, ...], ...]) -> int | None:
    for path in paths:
        # Most paths end where they begin, and most counts are none of a provider's.
        if path[0] in usage and (count := _at(usage, path)) is not None:
            return count
    return None


def _at(usage: Any, path: tuple[str, ...]) -> int | None:
    for name in path:
        usage = usage.get(name) if type(usage) is dict else None
    # A bool is an int to Python, and some gateways put flags among the counts.
    return usage if type(usage) is int else None
