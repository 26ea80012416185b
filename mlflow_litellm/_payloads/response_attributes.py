"""What is recorded of any answer, beside its own shape: provider, address, tokens, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import cost as cost_module
from mlflow_litellm._payloads import endpoint
from mlflow_litellm._payloads.base import Response
from mlflow_litellm._payloads.hidden_params import (
    call_attributes,
    failure_attributes,
    is_cache_hit,
    read_hidden_params,
)
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.usage import token_attributes, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping


def body(response: Any) -> Any:
    """Return an answer as plain data, without what LiteLLM hangs on those that are dicts."""
    parsed = to_jsonable(response)
    if not isinstance(parsed, dict):
        return parsed
    return {key: value for key, value in parsed.items() if not key.startswith("_")}


def make_response(
    outputs: Any,
    hidden_params: Mapping[str, Any],
    arguments: Mapping[str, Any],
    names: tuple[str, str] = ("usage", "model"),
) -> Response:
    """
    Return an answer from its plain data and what LiteLLM tells beside it.

    Its cost is 0 where the cache answered, and unknown otherwise: see `tell_cost`.

    Args:
        outputs: The answer as plain data.
        hidden: LiteLLM's hidden parameters of it.
        arguments: The call's arguments by name.
        names: What it calls its tokens, and the model that answered.
    """
    provider = endpoint.provider(hidden_params, arguments)
    known = {
        "api_base": endpoint.api_base(hidden_params, arguments, provider),
        "custom_llm_provider": provider,
    }
    attributes = call_attributes(hidden_params)
    attributes.update((key, value) for key, value in known.items() if value is not None)
    parsed = Response(outputs, provider=provider, attributes=attributes)
    if isinstance(outputs, dict):
        usage, parsed.model = map(outputs.get, names)
        parsed.usage = tokens(usage)
        attributes.update(token_attributes(usage))
    if is_cache_hit(hidden_params):
        # LiteLLM repeats the first answer's price on a hit, up to 1.106.
        set_cost(parsed, cost_module.cost(0.0, None))
    return parsed


def set_response_cost(parsed: Response, response: Any, arguments: Mapping[str, Any]) -> None:
    """Note what an answer that came whole cost, unless the cache gave it."""
    if parsed.cost is None:
        usage = getattr(response, "usage", None)
        if not hasattr(usage, "prompt_tokens"):
            # Another API's, which LiteLLM's price list does not take.
            usage = parsed.usage and cost_module.usage(parsed.usage)
        cost = cost_module.response_cost_of(
            read_hidden_params(response), arguments, parsed.provider, usage
        )
        # Without a count LiteLLM says 0.
        set_cost(parsed, cost if parsed.usage or (cost and cost["total_cost"]) else None)


def set_stream_cost(
    parsed: Response,
    logging: Any,
    hidden_params: Mapping[str, Any],
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
    if parsed.cost is None and parsed.usage:
        usage = cost_module.usage(parsed.usage)
        if logging is None:
            cost = cost_module.listed_cost(hidden_params, arguments, parsed.provider, usage)
        else:
            priced = cost_module.priced(parsed.model, usage) if response is None else response
            cost = cost_module.stream_cost(
                logging, hidden_params, arguments, parsed.provider, priced, usage
            )
        set_cost(parsed, cost)


def set_cost(parsed: Response, cost: dict[str, float] | None) -> None:
    """Note what an answer cost, in MLflow's parts; None where that is unknown."""
    parsed.cost = cost
    if cost is not None:
        parsed.attributes["response_cost"] = cost["total_cost"]


def failure(error: BaseException, arguments: Mapping[str, Any]) -> Response:
    """Return what is known of a call that failed."""
    # Not looked up by the model's name: that may sign in, or ask a secret manager.
    named = getattr(error, "llm_provider", None)
    provider = str(named) if named else endpoint.named_provider(arguments)
    attributes = failure_attributes(error, arguments)
    if provider is not None:
        attributes["custom_llm_provider"] = provider
    return Response(provider=provider, attributes=attributes)
