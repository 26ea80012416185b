"""The recorded data of any response beside its outputs: provider, address, tokens, cost."""

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
    """Return a response as JSON types, without the private keys that LiteLLM adds to dicts."""
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
    Return a response from its outputs and LiteLLM's hidden parameters.

    The cost is 0 for a response from the cache, else None: see `set_response_cost`.

    Args:
        outputs: The response as JSON types.
        hidden_params: LiteLLM's hidden parameters of the response.
        arguments: The call's arguments by name.
        names: The keys of the tokens and of the model in `outputs`.
    """
    provider = endpoint.provider(hidden_params, arguments)
    values = {
        "api_base": endpoint.api_base(hidden_params, arguments, provider),
        "custom_llm_provider": provider,
    }
    attributes = call_attributes(hidden_params)
    attributes.update((key, value) for key, value in values.items() if value is not None)
    parsed = Response(outputs, provider=provider, attributes=attributes)
    if isinstance(outputs, dict):
        usage, parsed.model = map(outputs.get, names)
        parsed.usage = tokens(usage)
        attributes.update(token_attributes(usage))
    if is_cache_hit(hidden_params):
        # Up to 1.106, LiteLLM repeats the first response's price on a cache hit.
        set_cost(parsed, cost_module.cost(0.0, None))
    return parsed


def set_response_cost(parsed: Response, response: Any, arguments: Mapping[str, Any]) -> None:
    """Set the cost of a response that was not streamed, unless it is from the cache."""
    if parsed.cost is None:
        usage = getattr(response, "usage", None)
        if not hasattr(usage, "prompt_tokens"):
            # The usage of another API, which LiteLLM's price list does not take.
            usage = parsed.usage and cost_module.usage(parsed.usage)
        cost = cost_module.response_cost_of(
            read_hidden_params(response), arguments, parsed.provider, usage
        )
        # LiteLLM gives 0 if no tokens were counted.
        set_cost(parsed, cost if parsed.usage or (cost and cost["total_cost"]) else None)


def set_stream_cost(
    parsed: Response,
    logging: Any,
    hidden_params: Mapping[str, Any],
    arguments: Mapping[str, Any],
    response: Any = None,
) -> None:
    """
    Set the cost of a stream other than a chat completion's, unless it is from the cache.

    Args:
        parsed: The response, with its tokens.
        logging: LiteLLM's ``Logging`` of the call; if None, LiteLLM's price list is used.
        hidden_params: LiteLLM's hidden parameters of the stream.
        arguments: The call's arguments by name.
        response: The object that LiteLLM prices, if it needs more than the model and the tokens.
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
    """
    Set the cost of a response, and the attribute ``response_cost``.

    Args:
        parsed: The response.
        cost: The cost in MLflow's parts; None if unknown.
    """
    parsed.cost = cost
    if cost is not None:
        parsed.attributes["response_cost"] = cost["total_cost"]


def failure(error: BaseException, arguments: Mapping[str, Any]) -> Response:
    """Return the span attributes of a failed call."""
    # Not by the model's name: that look-up may sign in, or query a secret manager.
    named = getattr(error, "llm_provider", None)
    provider = str(named) if named else endpoint.named_provider(arguments)
    attributes = failure_attributes(error, arguments)
    if provider is not None:
        attributes["custom_llm_provider"] = provider
    return Response(provider=provider, attributes=attributes)
