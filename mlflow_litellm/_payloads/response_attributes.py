"""What is recorded of any answer, beside its own shape: provider, address, tokens, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import cost as cost_module
from mlflow_litellm._payloads import endpoint
from mlflow_litellm._payloads.base import Answer
from mlflow_litellm._payloads.hidden_params import (
    call_attributes,
    failure_attributes,
    hidden_params,
    is_cache_hit,
)
from mlflow_litellm._payloads.serialize import plain
from mlflow_litellm._payloads.usage import token_attributes, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping


def body(response: Any) -> Any:
    """Return an answer as plain data, without what LiteLLM hangs on those that are dicts."""
    told = plain(response)
    if not isinstance(told, dict):
        return told
    return {key: value for key, value in told.items() if not key.startswith("_")}


def describe(
    outputs: Any,
    hidden: Mapping[str, Any],
    arguments: Mapping[str, Any],
    names: tuple[str, str] = ("usage", "model"),
) -> Answer:
    """
    Return an answer from its plain data and what LiteLLM tells beside it.

    Its cost is 0 where the cache answered, and unknown otherwise: see `tell_cost`.

    Args:
        outputs: The answer as plain data.
        hidden: LiteLLM's hidden parameters of it.
        arguments: The call's arguments by name.
        names: What it calls its tokens, and the model that answered.
    """
    provider = endpoint.provider(hidden, arguments)
    known = {
        "api_base": endpoint.api_base(hidden, arguments, provider),
        "custom_llm_provider": provider,
    }
    attributes = call_attributes(hidden)
    attributes.update((key, value) for key, value in known.items() if value is not None)
    told = Answer(outputs, provider=provider, attributes=attributes)
    if isinstance(outputs, dict):
        usage, told.model = map(outputs.get, names)
        told.usage = tokens(usage)
        attributes.update(token_attributes(usage))
    if is_cache_hit(hidden):
        # LiteLLM repeats the first answer's price on a hit, up to 1.106.
        tell_cost(told, cost_module.cost(0.0, None))
    return told


def tell_answer_cost(told: Answer, response: Any, arguments: Mapping[str, Any]) -> None:
    """Note what an answer that came whole cost, unless the cache gave it."""
    if told.cost is None:
        usage = getattr(response, "usage", None)
        if not hasattr(usage, "prompt_tokens"):
            # Another API's, which LiteLLM's price list does not take.
            usage = told.usage and cost_module.usage(told.usage)
        cost = cost_module.answer_cost(hidden_params(response), arguments, told.provider, usage)
        # Without a count LiteLLM says 0.
        tell_cost(told, cost if told.usage or (cost and cost["total_cost"]) else None)


def tell_stream_cost(
    told: Answer,
    logging: Any,
    hidden: Mapping[str, Any],
    arguments: Mapping[str, Any],
    response: Any = None,
) -> None:
    """
    Note what a stream cost that is none of chat completions, unless the cache gave it.

    Args:
        told: The answer, with its tokens.
        logging: LiteLLM's ``Logging`` of the call; without one, its price list is asked.
        hidden: LiteLLM's hidden parameters of the stream.
        arguments: The call's arguments by name.
        response: What LiteLLM prices, where that is more than model and tokens.
    """
    if told.cost is None and told.usage:
        usage = cost_module.usage(told.usage)
        if logging is None:
            cost = cost_module.listed_cost(hidden, arguments, told.provider, usage)
        else:
            priced = cost_module.priced(told.model, usage) if response is None else response
            cost = cost_module.stream_cost(logging, hidden, arguments, told.provider, priced, usage)
        tell_cost(told, cost)


def tell_cost(told: Answer, cost: dict[str, float] | None) -> None:
    """Note what an answer cost, in MLflow's parts; None where that is unknown."""
    told.cost = cost
    if cost is not None:
        told.attributes["response_cost"] = cost["total_cost"]


def failure(error: BaseException, arguments: Mapping[str, Any]) -> Answer:
    """Return what is known of a call that failed."""
    # Not looked up by the model's name: that may sign in, or ask a secret manager.
    named = getattr(error, "llm_provider", None)
    provider = str(named) if named else endpoint.named_provider(arguments)
    attributes = failure_attributes(error, arguments)
    if provider is not None:
        attributes["custom_llm_provider"] = provider
    return Answer(provider=provider, attributes=attributes)
