"""
What is recorded of a call: pure functions, a module a kind of call.

Plain data in, plain data out; nothing here knows MLflow or patches anything. Each kind of call
is a module as `Payload` says, and has an `Accumulator` where it streams.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Request:
    """
    What a call asked for.

    Attributes:
        inputs: The request as sent, by parameter name, as plain data.
        model: The requested model, such as ``"anthropic/claude-3-5-sonnet"``.
        tools: The definitions of the tools offered, as plain data.
        attributes: Further span attributes.
        message_format: MLflow's name of the format that inputs and outputs are in, such as
            ``"openai"``, where the UI has a view for it.
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
    message_format: str | None = None
    has_media: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    trace_metadata: dict[str, str] = field(default_factory=dict)
    session: str | None = None
    user: str | None = None


@dataclass(slots=True)
class Response:
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
        error: What went wrong, if the answer itself says so.
    """

    outputs: Any = None
    usage: dict[str, int] | None = None
    cost: dict[str, float] | None = None
    model: str | None = None
    provider: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    has_media: bool = False
    error: Exception | None = None


class StreamError(Exception):
    """What a provider says went wrong within a stream, where LiteLLM does not raise it."""


class Payload(Protocol):
    """
    A module of this package: what is recorded of one kind of call.

    Attributes:
        RECORDED: The names of the arguments that are recorded.
    """

    RECORDED: frozenset[str]

    def request(self, arguments: Mapping[str, Any]) -> Request:
        """Return what a call asked for, from its arguments by name."""

    def parse_response(self, response: Any, arguments: Mapping[str, Any]) -> Response:
        """Return what a response says."""

    def failure(self, error: BaseException, arguments: Mapping[str, Any]) -> Response:
        """Return what is known beside an exception."""


class Accumulator(Protocol):
    """
    What joins the chunks of one kind of stream: made from the arguments and the stream.

    May have an `error`, an exception for what a chunk says went wrong.
    """

    @property
    def has_content(self) -> bool:
        """Whether anything of the answer itself has come, after what reasoning there is."""

    def add(self, chunk: Any) -> None:
        """Take the next chunk."""

    def response(self) -> Response:
        """Return the answer so far, as it would have come unstreamed."""
