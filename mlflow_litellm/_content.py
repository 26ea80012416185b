"""
The privacy switch: whether what was said is recorded.

Without content a span keeps what can be counted and timed: model, parameters that are numbers or
flags, tokens, cost, provider, status. It has no messages, no outputs, no tools, no metadata, and
of an exception its type alone.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlflow_litellm._switches import switch

if TYPE_CHECKING:
    from mlflow_litellm.payloads import Answer, Request

# What is wanted where autolog() does not say.
VARIABLE = "MLFLOW_LITELLM_LOG_CONTENT"

# Parameters whose value is one of a few words.
_WORDS = frozenset({"model", "reasoning_effort", "service_tier", "verbosity"})

_chosen: bool | None = None
_logged = True


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


def forget() -> None:
    """Forget what was chosen."""
    global _chosen
    _chosen = None


def logged() -> bool:
    """Tell whether content is recorded: not where LiteLLM is told not to log it either."""
    # https://docs.litellm.ai/docs/proxy/logging#redact-messages-response-content
    switched_off = getattr(sys.modules.get("litellm"), "turn_off_message_logging", False)
    return _logged and (_chosen is True or switched_off is not True)


def request_without(request: Request) -> Request:
    """Return a request without what was said."""
    inputs = {key: value for key, value in request.inputs.items() if _is_harmless(key, value)}
    attributes = {key: value for key, value in request.attributes.items() if key != "metadata"}
    return replace(
        request,
        inputs=inputs,
        attributes=attributes,
        tools=None,
        has_media=False,
        trace_metadata={},
    )


def answer_without(answer: Answer) -> Answer:
    """Return an answer without what was said."""
    return replace(answer, outputs=None, has_media=False)


def _is_harmless(key: str, value: Any) -> bool:
    return isinstance(value, (int, float)) or (key in _WORDS and isinstance(value, str))
