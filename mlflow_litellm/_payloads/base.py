"""
The types of a call's recorded data.

Each kind of call has a module that follows the protocol `Payload`. A kind of call that streams
also has an `Accumulator`. These modules are pure functions: they do not use MLflow, and patch
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Request:
    """
    The request of a call.

    Attributes:
        inputs: The request as sent: JSON types by parameter name.
        model: The requested model, such as ``"anthropic/claude-3-5-sonnet"``.
        tools: The definitions of the offered tools, as JSON types.
        attributes: Further span attributes.
        message_format: MLflow's name for the format of inputs and outputs, such as ``"openai"``;
            None if the UI has no view for the format.
        has_media: Whether `inputs` holds pictures, audio or files.
        tags: The trace's tags, if the call is the trace's root.
        trace_metadata: The request's other data about the trace, recorded as tags.
        session: The trace's session, if the call is the trace's root.
        user: The trace's user, if the call is the trace's root.
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
    The response to a call.

    Attributes:
        outputs: The response as JSON types, in the same shape with and without streaming.
        usage: Tokens by MLflow's names: ``input_tokens``, ``output_tokens``, ``total_tokens``,
            ``cache_read_input_tokens``, ``cache_creation_input_tokens`` and, as a part of the last
            one, ``cache_creation_input_tokens_above_1hr``. Unknown counts are absent.
        cost: USD as ``input_cost``, ``output_cost`` and ``total_cost``; None if unknown.
        model: The model that made the response.
        provider: LiteLLM's name of the provider, such as ``"openai"``.
        attributes: Further span attributes.
        has_media: Whether `outputs` holds pictures or audio.
        error: The error that the response itself reports, if any.
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
    """An error that a provider reports within a stream, and that LiteLLM does not raise."""


class Payload(Protocol):
    """
    A module that selects the recorded data of one kind of call.

    Attributes:
        RECORDED: The names of the arguments that are recorded.
    """

    RECORDED: frozenset[str]

    def request(self, arguments: Mapping[str, Any]) -> Request:
        """Return a call's request, from the arguments by name."""

    def parse_response(self, response: Any, arguments: Mapping[str, Any]) -> Response:
        """Return the parsed response."""

    def failure(self, error: BaseException, arguments: Mapping[str, Any]) -> Response:
        """Return the attributes of a failed call, in addition to its exception."""


class Accumulator(Protocol):
    """
    Merges the chunks of one kind of stream. Its arguments are the call's arguments and the stream.

    May have an attribute `error`: an exception for the error that a chunk reports.
    """

    @property
    def has_content(self) -> bool:
        """Whether any content other than reasoning has arrived."""

    def add(self, chunk: Any) -> None:
        """Add the next chunk."""

    def response(self) -> Response:
        """Return the response so far, in the shape that it has without streaming."""
