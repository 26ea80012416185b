"""The recorded data of a call: its request and its response."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# LiteLLM's provider name for a stream from its cache.
CACHED = "cached_response"


@dataclass(slots=True)
class Request:
    """
    The request of a call.

    Attributes:
        inputs: The request as sent: JSON types by parameter name.
        model: The requested model, such as ``"anthropic/claude-3-5-sonnet"``.
        tools: The definitions of the offered tools, as JSON types.
        api_base: The requested address, without credentials.
        metadata: The caller's metadata of the call, as JSON types.
        attributes: Further span attributes.
        message_format: MLflow's name for the format of inputs and outputs.
        has_media: Whether `inputs` holds pictures, audio or files.
        tags: The trace's tags, if the call is the trace's root.
        trace_metadata: The request's other data about the trace, recorded as tags.
        session: The trace's session, if the call is the trace's root.
        user: The trace's user, if the call is the trace's root.
    """

    inputs: dict[str, Any]
    model: str | None = None
    tools: list[Any] | None = None
    api_base: str | None = None
    metadata: dict[str, Any] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    message_format: str | None = None
    has_media: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    trace_metadata: dict[str, str] = field(default_factory=dict)
    session: str | None = None
    user: str | None = None


@dataclass(slots=True)
class Response:
    """
    The response to a call.

    Attributes:
        outputs: The response as JSON types, in the same shape with and without streaming.
        usage: Tokens by MLflow's names: ``input_tokens``, ``output_tokens``, ``total_tokens``,
            ``cache_read_input_tokens``, ``cache_creation_input_tokens`` and, as a part of the last
            one, ``cache_creation_input_tokens_above_1hr``. Unknown counts are absent.
        token_details: Reasoning and audio tokens, by the names of their span attributes.
        usage_is_estimate: Whether LiteLLM has estimated the tokens, and thus the cost.
        cost: USD as ``input_cost``, ``output_cost`` and ``total_cost``; None if unknown.
        model: The model that made the response.
        provider: LiteLLM's name of the provider, such as ``"openai"``.
        api_base: The address of the call's destination, without credentials.
        cache_hit: Whether the response is from LiteLLM's cache; None if there is no response.
        finish_reasons: The finish reason of each choice; None if the kind of call has none.
        attributes: Further span attributes.
        has_media: Whether `outputs` holds pictures or audio.
        error: The error that the response itself reports, if any.
    """

    outputs: Any = None
    usage: dict[str, int] | None = None
    token_details: dict[str, int] = field(default_factory=dict)
    usage_is_estimate: bool = False
    cost: dict[str, float] | None = None
    model: str | None = None
    provider: str | None = None
    api_base: str | None = None
    cache_hit: bool | None = None
    finish_reasons: list[Any] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    has_media: bool = False
    error: Exception | None = None


class StreamError(Exception):
    """An error that a provider reports within a stream, and that LiteLLM does not raise."""
