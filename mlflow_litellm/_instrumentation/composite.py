"""What is recorded of a call that makes calls of its own: where it was to go, and how it went."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._payloads.serialize import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._instrumentation.context import Enclosing
    from mlflow_litellm._payloads.base import Answer


_COUNTED = ("response_cost", "reasoning_tokens", "input_audio_tokens", "output_audio_tokens")


def attributes(owner: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the span attributes of a route: of Router, its model group and strategy.

    Args:
        owner: The router, or None.
        arguments: The call's arguments by name.
    """
    strategy = _strategy(owner)
    if strategy is None:
        return {}
    told = {"model_group": arguments.get("model"), "routing_strategy": plain(strategy)}
    return {key: value for key, value in told.items() if isinstance(value, str)}


def _strategy(router: Any) -> Any:
    """Return a router's strategy; since LiteLLM 1.110 it is one of the settings."""
    settings = getattr(router, "settings", None)
    return getattr(settings() if callable(settings) else router, "routing_strategy", None)


def is_custom(stream: Any, arguments: Mapping[str, Any]) -> bool:
    """
    Tell whether a stream comes from a user's own provider, which may make calls while it is read.

    Args:
        stream: The stream as LiteLLM made it.
        arguments: The call's arguments by name.
    """
    handlers = getattr(sys.modules["litellm"], "custom_provider_map", None)
    if not handlers:
        return False
    prefix = str(arguments.get("model")).partition("/")[0]
    given = arguments.get("custom_llm_provider")
    providers = {getattr(stream, "custom_llm_provider", None), given, prefix}
    return any(handler["provider"] in providers for handler in handlers)


def tell(answer: Answer, route: Enclosing) -> None:
    """
    Note how many calls were made for one, and leave tokens and cost to them.

    Each has its own, those that failed after a part of the answer among them.
    """
    if not route.steps:
        return
    answer.attributes["inner_calls"] = len(route.steps)
    if route.is_retried:
        answer.attributes.setdefault("attempted_retries", len(route.steps) - 1)
    if groups := route.groups:
        answer.attributes["model_groups"] = groups
        # LiteLLM tells these itself, but not of a call that failed.
        answer.attributes.setdefault("attempted_fallbacks", len(groups) - 1)
        answer.attributes.setdefault("attempted_retries", len(route.steps) - len(groups))
    if route.is_composite:
        _leave_tokens(answer)
        if not route.door.is_route:
            route.span.become(SpanType.CHAIN)


def _leave_tokens(answer: Answer) -> None:
    answer.usage = answer.cost = None
    for name in _COUNTED:
        answer.attributes.pop(name, None)
