"""
The privacy switch: how much of a call is recorded.

Without content a span keeps what can be counted and timed: model, parameters that are numbers or
flags, tokens, cost, provider, status. It has no messages, no outputs, no tools, no metadata, and
of an exception its type alone.
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

# What is wanted where autolog() does not say.
VARIABLE = "MLFLOW_LITELLM_LOG_CONTENT"

# Parameters whose value is one of a few words.
_WORDS = frozenset({"model", "reasoning_effort", "service_tier", "verbosity"})

_chosen: bool | None = None
_logged = True


class Content(IntEnum):
    """
    How much of a call is recorded. The least of several counts.

    Attributes:
        NOTHING: What can be counted alone, without the trace's tags, session and user.
        REDACTED: No content.
        FULL: The content too.
    """

    NOTHING = 0
    REDACTED = 1
    FULL = 2


def choose(wanted: bool | None) -> None:
    """
    Have content recorded or not, from the next span on.

    Args:
        wanted: None leaves an earlier choice as it is, so that ``mlflow.autolog()``, which knows
            of none, does not undo it; without any, the environment decides.
    """
    global _chosen, _logged
    _chosen = _chosen if wanted is None else wanted
    # A word that is not understood, "flase", may have been meant to switch content off.
    _logged = switch(VARIABLE, default=True, unknown=False) if _chosen is None else _chosen


def reset() -> None:
    """Forget what was chosen."""
    global _chosen
    _chosen = None


def allowed(arguments: Mapping[str, Any]) -> Content:
    """
    Return how much of a call may be recorded, by our own switch and LiteLLM's.

    A switch of LiteLLM's that hides one call counts beside ``autolog(log_content=True)``, which
    overrules its global switch alone.

    Args:
        arguments: The call's arguments by name.
    """
    with guard("reading LiteLLM's switches of a call"):
        if message_logging.is_unlogged(arguments):
            return Content.NOTHING
        if _logged and not message_logging.is_redacted(arguments, obeys_global=_chosen is not True):
            return Content.FULL
    # Also if the switches could not be read.
    return Content.REDACTED


def request_of(request: Request, content: Content) -> Request:
    """Return as much of a request as may be recorded."""
    if content == Content.FULL and not message_logging.is_excluded("messages"):
        return request
    inputs = {key: value for key, value in request.inputs.items() if _is_harmless(key, value)}
    attributes = {key: value for key, value in request.attributes.items() if key != "metadata"}
    request = replace(
        request,
        inputs=inputs,
        attributes=attributes,
        tools=None,
        has_media=False,
        trace_metadata={},
    )
    if content == Content.NOTHING:
        request = replace(request, tags={}, session=None, user=None)
    return request


def response_of(response: Response, content: Content) -> Response:
    """Return as much of an answer as may be recorded."""
    if content == Content.FULL and not message_logging.is_excluded("response"):
        return response
    return replace(response, outputs=None, has_media=False)


def shows_errors(content: Content) -> bool:
    """Return whether the text of an exception may be recorded, which may quote the request."""
    fields = ("error_information", "error_str", "messages", "response")
    return content == Content.FULL and not message_logging.is_excluded(*fields)


def _is_harmless(key: str, value: Any) -> bool:
    return isinstance(value, (int, float)) or (key in _WORDS and isinstance(value, str))
