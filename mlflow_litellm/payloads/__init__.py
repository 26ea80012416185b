"""
What is recorded of a call: pure functions, a module a kind of call.

Plain data in, plain data out; nothing here knows MLflow or patches anything. Each kind of call
has ``request(arguments)``, ``answer(response, arguments)``, ``failure(error, arguments)``, and an
accumulator of its stream's chunks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Request:
    """
    What a call asked for.

    Attributes:
        inputs: The request as sent, by parameter name, as plain data.
        model: The requested model, such as ``"anthropic/claude-3-5-sonnet"``.
        tools: The definitions of the tools offered, as plain data.
        attributes: Further span attributes.
        has_media: Whether `inputs` holds pictures, audio or files.
        tags: Tags of the trace, where the call is its root.
        trace_metadata: What else is said of the trace, as tags of it.
        session: The session that the trace belongs to, where the call is its root.
        user: Whom the trace was made for, where the call is its root.
    """

    inputs: dict[str, Any]
    model: str | None = None
    tools: list[Any] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    has_media: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    trace_metadata: dict[str, str] = field(default_factory=dict)
    session: str | None = None
    user: str | None = None


@dataclass(slots=True)
class Answer:
    """
    What came back.

    Attributes:
        outputs: The answer as plain data, in the same shape streamed and unstreamed.
        usage: Tokens by MLflow's names: ``input_tokens``, ``output_tokens``, ``total_tokens``,
            ``cache_read_input_tokens``, ``cache_creation_input_tokens`` and, of the latter,
            ``cache_creation_input_tokens_above_1hr``. Unknown is absent.
        cost: USD as ``input_cost``, ``output_cost`` and ``total_cost``; None where unknown.
        model: The model that answered.
        provider: LiteLLM's name of the provider, such as ``"openai"``.
        attributes: Further span attributes.
        has_media: Whether `outputs` holds pictures or audio.
    """

    outputs: Any = None
    usage: dict[str, int] | None = None
    cost: dict[str, float] | None = None
    model: str | None = None
    provider: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    has_media: bool = False
