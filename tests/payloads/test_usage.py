"""Tokens are read from each shape of usage. No MLflow, no network."""

from __future__ import annotations

from typing import Any

import litellm
import pytest

from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.usage import token_details, tokens


def expected(prompt: int, completion: int, **cached: int) -> dict[str, int]:
    """Return token counts with MLflow's names."""
    total = prompt + completion
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": total, **cached}


SHAPES: dict[str, tuple[dict[str, Any], dict[str, int], dict[str, int]]] = {
    "openai": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 16, "audio_tokens": 4},
        },
        expected(100, 20, cache_read_input_tokens=64),
        {"reasoning_tokens": 16, "input_audio_tokens": 8, "output_audio_tokens": 4},
    ),
    "openai responses": (
        {
            "input_tokens": 100,
            "output_tokens": 20,
            "total_tokens": 120,
            "input_tokens_details": {"cached_tokens": 64},
            "output_tokens_details": {"reasoning_tokens": 16},
        },
        expected(100, 20, cache_read_input_tokens=64),
        {"reasoning_tokens": 16},
    ),
    "anthropic": (
        {
            "input_tokens": 10,
            "output_tokens": 20,
            "cache_read_input_tokens": 60,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        },
        expected(
            100,
            20,
            cache_read_input_tokens=60,
            cache_creation_input_tokens=30,
            cache_creation_input_tokens_above_1hr=20,
        ),
        {},
    ),
    "anthropic, added up without what was cached": (
        {
            "input_tokens": 10,
            "output_tokens": 20,
            "total_tokens": 30,
            "cache_read_input_tokens": 60,
        },
        expected(70, 20, cache_read_input_tokens=60),
        {},
    ),
    "gemini": (
        {
            "promptTokenCount": 100,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 30,
            "cachedContentTokenCount": 64,
            "totalTokenCount": 150,
        },
        expected(100, 50, cache_read_input_tokens=64),
        {"reasoning_tokens": 30},
    ),
    "bedrock": (
        {
            "inputTokens": 10,
            "outputTokens": 20,
            "totalTokens": 120,
            "cacheReadInputTokens": 60,
            "cacheWriteInputTokens": 30,
        },
        expected(100, 20, cache_read_input_tokens=60, cache_creation_input_tokens=30),
        {},
    ),
}


@pytest.mark.parametrize(("usage", "counts", "details"), SHAPES.values(), ids=SHAPES)
def test_every_shape_has_the_same_names(
    usage: dict[str, Any], counts: dict[str, int], details: dict[str, int]
) -> None:
    """Cached tokens are included in the input tokens for each provider, as in MLflow."""
    assert tokens(usage) == counts
    assert token_details(usage) == details


def test_litellms_usage_is_read_as_it_is() -> None:
    """LiteLLM's usage is read unchanged, as its prompt tokens include the cached tokens."""
    usage = litellm.Usage(
        prompt_tokens=100,
        completion_tokens=20,
        total_tokens=120,
        cache_read_input_tokens=60,
        cache_creation_input_tokens=30,
    )
    assert tokens(to_jsonable(usage)) == expected(
        100, 20, cache_read_input_tokens=60, cache_creation_input_tokens=30
    )


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        "many",
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": None, "prompt_tokens_details": None},
    ],
)
def test_unknown_is_absent(usage: Any) -> None:
    """Unknown usage is absent. LiteLLM reports unknown usage as zeros."""
    assert tokens(usage) is None
    assert token_details(usage) == {}


def test_what_is_no_count_is_left_out() -> None:
    """Values that are not counts are ignored: bools, and OpenRouter's flags and price."""
    usage = {"prompt_tokens": 3, "completion_tokens": True, "total_tokens": 3.5, "is_byok": True}
    assert tokens(usage) == {"input_tokens": 3}
