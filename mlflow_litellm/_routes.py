"""What is recorded of a call that makes calls of its own: where it was to go, and how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm.payloads._plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._nesting import Enclosing
    from mlflow_litellm.payloads import Answer


def attributes(owner: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the span attributes of a route: of Router, its model group and strategy.

    Args:
        owner: The router, or None.
        arguments: The call's arguments by name.
    """
    strategy = getattr(owner, "routing_strategy", None)
    if strategy is None:
        return {}
    told = {"model_group": arguments.get("model"), "routing_strategy": plain(strategy)}
    return {key: value for key, value in told.items() if isinstance(value, str)}


def tell(answer: Answer, route: Enclosing) -> None:
    """
    Note how often a call was tried, and leave tokens and cost to the calls below it.

    They have them each, those that failed after a part of the answer among them.
    """
    answer.usage = answer.cost = None
    for name in ("response_cost", "reasoning_tokens", "input_audio_tokens", "output_audio_tokens"):
        answer.attributes.pop(name, None)
    answer.attributes["attempts"] = route.steps
    route.span.become(SpanType.CHAIN)
