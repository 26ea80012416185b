"""
The privacy switch: how much of a call is recorded.

Without content, a span keeps the data that can be counted and timed: model, parameters that are
numbers or flags, tokens, cost, provider, status. It has no messages, outputs, tools or metadata,
and only the type of an exception.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common.switches import switch
from mlflow_litellm._payloads import message_logging
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

# Decides if autolog() sets no value.
VARIABLE = "MLFLOW_LITELLM_LOG_CONTENT"

# Parameters that have one of a few words as their value.
_WORDS = frozenset({"model", "reasoning_effort", "service_tier", "verbosity"})


class Content(IntEnum):
    """
    How much of a call is recorded. The lowest of several values counts.

    Attributes:
        NOTHING: No content, and no tags, session and user of the trace.
        REDACTED: No content.
        FULL: The content too.
    """

    NOTHING = 0
    REDACTED = 1
    FULL = 2


class ContentSwitch:
    """
    The switch of the process for content.

    ``autolog()`` sets it, under MLflow's lock. Each call reads it, without a lock.
    """

    def __init__(self) -> None:
        self._chosen: bool | None = None
        self._is_enabled = True

    def choose(self, wanted: bool | None) -> None:
        """
        Set whether content is recorded, from the next span on.

        Args:
            wanted: Whether to record content. None keeps an earlier choice, so that
                ``mlflow.autolog()``, which has no such argument, does not undo it. Without an
                earlier choice, the environment decides.
        """
        if wanted is not None:
            self._chosen = wanted
        # An unknown word, such as "flase", switches content off: that may have been the intention.
        self._is_enabled = (
            switch(VARIABLE, default=True, unknown=False) if self._chosen is None else self._chosen
        )

    def reset(self) -> None:
        """Drop the choice."""
        self._chosen = None

    def allows(self, arguments: Mapping[str, Any]) -> bool:
        """Return whether this switch and LiteLLM's switches allow the content of a call."""
        # A chosen True overrules LiteLLM's global switch.
        obeys_global = self._chosen is not True
        return self._is_enabled and not message_logging.is_redacted(
            arguments, obeys_global=obeys_global
        )


content_switch = ContentSwitch()


def allowed(arguments: Mapping[str, Any]) -> Content:
    """
    Return how much of a call may be recorded, by this package's switch and LiteLLM's switches.

    ``autolog(log_content=True)`` overrules LiteLLM's global switch, but not a switch of LiteLLM's
    that hides one call.

    Args:
        arguments: The call's arguments by name.
    """
    with guard("reading LiteLLM's switches of a call"):
        if message_logging.is_unlogged(arguments):
            return Content.NOTHING
        if content_switch.allows(arguments):
            return Content.FULL
    # Also if the switches could not be read.
    return Content.REDACTED


def request_of(request: Request, content: Content) -> Request:
    """Return a request with only the data that may be recorded."""
    if content == Content.FULL and not message_logging.is_excluded("messages"):
        return request
    inputs = {key: value for key, value in request.inputs.items() if _is_harmless(key, value)}
    request = replace(
        request,
        inputs=inputs,
        tools=None,
        metadata=None,
        has_media=False,
        trace_metadata={},
    )
    if content == Content.NOTHING:
        request = replace(request, tags={}, session=None, user=None)
    return request


def response_of(response: Response, content: Content) -> Response:
    """Return a response with only the data that may be recorded."""
    if content == Content.FULL and not message_logging.is_excluded("response"):
        return response
    return replace(response, outputs=None, has_media=False)


def shows_errors(content: Content) -> bool:
    """Return whether the text of an exception may be recorded: it may quote the request."""
    fields = ("error_information", "error_str", "messages", "response")
    return content == Content.FULL and not message_logging.is_excluded(*fields)


def _is_harmless(key: str, value: object) -> bool:
    return isinstance(value, (int, float)) or (key in _WORDS and isinstance(value, str))
