"""The data of the exchanges in ``provider/exchanges``, and the LiteLLM calls that get them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callers import Caller

QUESTION = "How warm is it in Paris?"
REASONING = "The user asks for the weather in Paris. I should call the tool."
TEXT = "Let me look up the weather in Paris in °C, one moment."
FUNCTION = {"name": "get_weather", "arguments": '{"location": "Paris", "unit": "celsius"}'}
STRINGS = {name: {"type": "string"} for name in ("location", "unit")}
PARAMETERS = {"type": "object", "properties": STRINGS, "required": ["location"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]
COUNTED = {"stream_options": {"include_usage": True}}
AWS = {
    # An explicit key would be sent in place of AWS's signature.
    "api_key": None,
    "aws_access_key_id": "very-secret",
    "aws_secret_access_key": "very-secret",
    "aws_region_name": "us-east-1",
}
WRITTEN = {"ephemeral_5m_input_tokens": 56, "ephemeral_1h_input_tokens": 200}

CLAUDE_CACHE = {
    "cache_read_input_tokens": 1024,
    "cache_creation_input_tokens": 256,
    "cache_creation_input_tokens_above_1hr": 200,
}


@dataclass(frozen=True)
class Exchange:
    """
    The response of one provider.

    Attributes:
        provider: LiteLLM's name of the provider.
        model: The requested model, by LiteLLM's name.
        answered: The model in the response.
        tool_call_id: The id of the tool call, as LiteLLM returns it.
        tokens: Tokens by MLflow's names.
        base: The end of the provider's `api_base`.
        arguments: Further arguments of the call.
        signature: The signature of the thinking block, if there is one.
        reasons: Whether the response has the reasoning.
        details: Some of the fields of LiteLLM's usage.
        counts: Whether a stream counts tokens without a request for it.
        price: "listed" in LiteLLM's list, "told" in the response, or None.
        differs: Fields that LiteLLM leaves out of a stream, or moves; paths in the outputs.
    """

    provider: str
    model: str
    answered: str
    tool_call_id: str
    tokens: dict[str, int]
    base: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    signature: str | None = None
    reasons: bool = True
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: bool = False
    price: str | None = "listed"
    differs: tuple[str, ...] = ()

    def api_base(self, caller: Caller) -> str:
        """Return the provider's address."""
        return caller.provider.replay_base(self.provider) + self.base

    def asked(self, caller: Caller) -> dict[str, Any]:
        """Return the arguments of a call."""
        known = {"model": self.model, "api_base": self.api_base(caller), "tools": TOOLS}
        return {**known, **self.arguments}

    def complete(self, caller: Caller) -> Any:
        """Request the whole response."""
        return caller.complete(QUESTION, **self.asked(caller))

    def stream(self, caller: Caller, **kwargs: Any) -> list[Any]:
        """Request the streamed response, and return its chunks."""
        return caller.stream(QUESTION, **self.asked(caller), **kwargs)


def tokens(prompt: int, completion: int, **cached: int) -> dict[str, int]:
    """Return tokens by MLflow's names."""
    total = {"total_tokens": prompt + completion}
    return {"input_tokens": prompt, "output_tokens": completion, **total, **cached}


OPENAI = Exchange(
    "openai",
    "openai/gpt-5-mini",
    "gpt-5-mini-2025-08-07",
    "call_6tQm1nVx0sYb2Hc9LdKfRpWa",
    tokens(1301, 155, cache_read_input_tokens=1024),
    base="/v1",
    reasons=False,
    details={
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
    },
)

AZURE = Exchange(
    "azure",
    "azure/weather-mini",
    "gpt-5-mini-2025-08-07",
    "call_Xw3mT8kPz5Qa1LnRy7Vb0cJd",
    tokens(1305, 219, cache_read_input_tokens=1152),
    arguments={"api_version": "2024-10-21"},
    reasons=False,
    details={
        "prompt_tokens_details": {"cached_tokens": 1152, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 192, "audio_tokens": 0},
    },
    differs=("prompt_filter_results",),
)

ANTHROPIC = Exchange(
    "anthropic",
    "anthropic/claude-sonnet-4-5-20250929",
    "claude-sonnet-4-5-20250929",
    "toolu_01Vb7KqPz3mXw9TnRc5LdYsH",
    tokens(1301, 88, **CLAUDE_CACHE),
    signature="EqQBCkYIBxgCIkDx1q0pLk3mWn8sVb5tYz2cRf7hJd4gAe9uQo6iPl0aKs1wXv3bNm5tGy8rHj2kUe4==",
    details={
        "prompt_tokens_details": {"cached_tokens": 1024, "cache_creation_token_details": WRITTEN}
    },
    counts=True,
    differs=("usage.service_tier",),
)

GEMINI_SIGNATURE = "CiQBjz1rX0k9bQ2m7vT5nLpW8sYd3cHf6gJa4eRuKo1iBzQKZgGPPWtf=="
GEMINI = Exchange(
    "gemini",
    "gemini/gemini-3.5-flash",
    "gemini-3.5-flash",
    # LiteLLM's way to return the signature with the tool's result.
    f"k3vq8zt1__thought__{GEMINI_SIGNATURE}",
    tokens(564, 78, cache_read_input_tokens=320),
    base="/v1beta",
    details={
        "prompt_tokens_details": {"cached_tokens": 320, "audio_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 47, "text_tokens": 31},
    },
    counts=True,
    differs=("choices.0.message.thinking_blocks", "choices.0.provider_specific_fields"),
)

BEDROCK = Exchange(
    "bedrock",
    "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "tooluse_Zk4vT9mXQ2yRn7sLwPdHcA",
    tokens(1301, 88, **CLAUDE_CACHE),
    arguments=AWS,
    signature="EuwBCkgIBxABGAIqQK7v2nTz5mWq8RkXs1LdYpBh4cGf9jHa3eUo6iKl0xVbNw7tJy2sPz5rMd8uQe1==",
    details={
        "prompt_tokens_details": {"cached_tokens": 1024, "cache_creation_token_details": WRITTEN}
    },
    counts=True,
    # "reasoningContentBlocks" unstreamed, "reasoningContent" streamed.
    differs=("choices.0.message.provider_specific_fields",),
)

VLLM = Exchange(
    "hosted_vllm",
    "hosted_vllm/Qwen/Qwen3-32B",
    "Qwen/Qwen3-32B",
    "chatcmpl-tool-4f1c9a7e2b8d4d06a5e3c7f190b2d846",
    tokens(1301, 155, cache_read_input_tokens=1024),
    base="/v1",
    details={"prompt_tokens_details": {"cached_tokens": 1024}},
    price=None,
    # LiteLLM's own estimate, only for streams.
    differs=("usage.completion_tokens_details",),
)

OPENROUTER = Exchange(
    "openrouter",
    "openrouter/qwen/qwen3-32b",
    "qwen/qwen3-32b",
    "call_bT5nLpW8sYd3cHf6gJa4eRuK",
    tokens(1301, 155, cache_read_input_tokens=1024, cache_creation_input_tokens=0),
    base="/api/v1",
    details={
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 128},
    },
    counts=True,
    price="told",
    differs=(
        "provider",
        "usage.is_byok",
        "usage.cost_details",
        "choices.0.provider_specific_fields",
        # The reasoning twice more: there unstreamed, in the message itself streamed.
        "choices.0.message.provider_specific_fields",
        "choices.0.message.reasoning",
        "choices.0.message.reasoning_details",
    ),
)

EXCHANGES = (OPENAI, AZURE, ANTHROPIC, GEMINI, BEDROCK, VLLM, OPENROUTER)
