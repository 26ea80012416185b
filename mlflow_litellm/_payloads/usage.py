"""Reads tokens, by MLflow's names, from the usage of LiteLLM and of each provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._common.attributes import (
    INPUT_AUDIO_TOKENS,
    OUTPUT_AUDIO_TOKENS,
    REASONING_TOKENS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def _paths(*dotted: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in dotted)


# The paths of each count; the first path that leads to a number counts.
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
    REASONING_TOKENS: _paths(
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "thoughtsTokenCount",
    ),
    INPUT_AUDIO_TOKENS: _paths(
        "prompt_tokens_details.audio_tokens",
        "input_tokens_details.audio_tokens",
        # Only transcriptions have the singular.
        "input_token_details.audio_tokens",
    ),
    OUTPUT_AUDIO_TOKENS: _paths(
        "completion_tokens_details.audio_tokens",
        "output_tokens_details.audio_tokens",
    ),
}


def is_estimated(chunks: Sequence[Any]) -> bool:
    """
    Return whether the usage of a stream is LiteLLM's own estimate, from which it also bills.

    Args:
        chunks: The chunks that LiteLLM has read from the provider; empty if they are unknown.
    """
    return bool(chunks) and not any(getattr(chunk, "usage", None) for chunk in chunks)


def tokens(usage: object) -> dict[str, int] | None:
    """
    Return the counts of a usage by MLflow's names; None if nothing was counted.

    MLflow's ``input_tokens`` include cached tokens, read and written. Anthropic and Bedrock count
    cached tokens separately; LiteLLM's ``Usage`` includes them for every provider:
    https://docs.litellm.ai/docs/completion/prompt_caching

    Args:
        usage: A usage as JSON types: LiteLLM's, OpenAI's, Anthropic's, Gemini's or Bedrock's.
    """
    if not isinstance(usage, dict):
        return None
    values = {
        "input_tokens": _first(usage, _INPUT),
        "output_tokens": _output(usage),
        "total_tokens": _first(usage, _TOTAL),
        "cache_read_input_tokens": _first(usage, _CACHE_READ),
        "cache_creation_input_tokens": _first(usage, _CACHE_CREATION),
        "cache_creation_input_tokens_above_1hr": _first(usage, _CACHE_CREATION_1H),
    }
    counts = {name: count for name, count in values.items() if count is not None}
    _include_cached(usage, counts)
    return counts if any(counts.values()) else None


def token_details(usage: object) -> dict[str, int]:
    """Return the reasoning and audio tokens: MLflow has no names for them."""
    if not isinstance(usage, dict):
        return {}
    values = {name: _first(usage, paths) for name, paths in _DETAILS.items()}
    # LiteLLM fills in 0 if the provider gave no count.
    return {name: count for name, count in values.items() if count}


def latest(usages: Iterable[Any]) -> dict[str, Any]:
    """
    Return the latest value of each of LiteLLM's counts in a stream, and the total.

    Anthropic's first event has the input tokens, and the last event has the output tokens.

    Args:
        usages: Usages as JSON types, in their order; other values are skipped.
    """
    counts: dict[str, Any] = {}
    for usage in usages:
        _take(counts, usage)
    if counts:
        counts["total_tokens"] = sum(counts.get(name, 0) for name in _COUNTED)
    return counts


def _take(counts: dict[str, Any], usage: object) -> None:
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
            # Some versions of LiteLLM leave the cached tokens out of the total.
            counts.pop("total_tokens", None)
    if "total_tokens" not in counts and {"input_tokens", "output_tokens"} <= counts.keys():
        counts["total_tokens"] = counts["input_tokens"] + counts["output_tokens"]


def _output(usage: Mapping[str, Any]) -> int | None:
    output = _first(usage, _OUTPUT)
    # Gemini counts the thoughts separately.
    thought = _at(usage, ("thoughtsTokenCount",))
    return output if thought is None else (output or 0) + thought


def _first(usage: Mapping[str, Any], paths: tuple[tuple[str, ...], ...]) -> int | None:
    for path in paths:
        # Checked first, for speed: most counts are not in a provider's usage.
        if path[0] in usage and (count := _at(usage, path)) is not None:
            return count
    return None


def _at(usage: object, path: tuple[str, ...]) -> int | None:
    for name in path:
        usage = usage.get(name) if type(usage) is dict else None
    # Not isinstance(): a bool is an int too, and some proxies put flags among the counts.
    return usage if type(usage) is int else None
