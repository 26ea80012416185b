"""
The cost of a call in USD: LiteLLM's own figure, in MLflow's three parts.

litellm takes two seconds to import. Functions import it here, when a call has already loaded it.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._payloads.serialize import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

    Parts = tuple[float, float]

# For these providers, LiteLLM calculates the price and ignores the cost in their usage.
_CALCULATED = frozenset({"xai"})


def cost(total: Any, parts: Parts | None) -> dict[str, float] | None:
    """
    Return a cost in MLflow's three parts; None if the total is unknown.

    Args:
        total: The cost of the call, in USD.
        parts: The prices of input and output; the total is divided in their ratio. If None, the
            whole total is the input's cost.
    """
    if number(total) is None:
        return None
    priced = sum(parts) if parts else 0.0
    input_cost = total * parts[0] / priced if parts and priced else float(total)
    return {
        "input_cost": input_cost,
        "output_cost": total - input_cost,
        "total_cost": float(total),
    }


def response_cost(
    parsed: Response,
    response: object,
    hidden_params: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> dict[str, float] | None:
    """
    Return the cost of a response that was not streamed; None if LiteLLM has no price for the model.

    Args:
        parsed: The response, with its provider and its tokens.
        response: LiteLLM's object, with its own usage.
        hidden_params: LiteLLM's hidden parameters of the response.
        arguments: The call's arguments by name.
    """
    total = number(hidden_params.get("response_cost"))
    # LiteLLM gives 0 if no tokens were counted.
    if total is None or not (total or parsed.usage):
        return None
    usage = getattr(response, "usage", None)
    if not hasattr(usage, "prompt_tokens"):
        # The usage of another API, which LiteLLM's price list does not take.
        usage = parsed.usage and _usage(parsed.usage)
    return _divided(total, None, hidden_params, arguments, parsed.provider, usage)


def stream_cost(  # noqa: PLR0913, PLR0917 - A price depends on each of them.
    logging: object,
    hidden_params: Mapping[str, Any],
    arguments: Mapping[str, Any],
    provider: str | None,
    response: Any,
    usage: Any = None,
) -> dict[str, float] | None:
    """
    Return the cost of a stream, as LiteLLM will log it; None if LiteLLM has no price. 0.4 ms.

    LiteLLM stores the cost's breakdown on `logging`, and stores it again when it logs the call.

    Args:
        logging: LiteLLM's ``Logging`` of the call, an attribute of the stream. It holds custom
            prices, the deployment, and the other data that LiteLLM calculates a price from.
        hidden_params: LiteLLM's hidden parameters of the stream; their cost is a placeholder.
        arguments: The call's arguments by name.
        provider: LiteLLM's name of the provider.
        response: The response as a ``ModelResponse`` with its ``Usage``, or as an object that
            LiteLLM can price.
        usage: The response's ``Usage``, if `response` has the usage of another API.
    """
    usage = usage or response.usage
    # Versions that lack the newer name have the older, private one.
    calculate = getattr(logging, "response_cost_calculator", None) or getattr(
        logging, "_response_cost_calculator", None
    )
    total = _listed_price(provider, usage)
    if total is None and calculate is not None:
        total = calculate(result=response)
    return _divided(total, _breakdown(logging), hidden_params, arguments, provider, usage)


def merged_cost(
    parsed: Response,
    logging: object,
    hidden_params: Mapping[str, Any],
    arguments: Mapping[str, Any],
    response: object = None,
) -> dict[str, float] | None:
    """
    Return the cost of a stream that is no chat completion's; None if LiteLLM has no price.

    Args:
        parsed: The merged response, with its provider, model and tokens.
        logging: LiteLLM's ``Logging`` of the call; if None, LiteLLM's price list is used.
        hidden_params: LiteLLM's hidden parameters of the stream.
        arguments: The call's arguments by name.
        response: The object that LiteLLM prices, if it needs more than the model and the tokens.
    """
    if logging is None or not parsed.usage:
        return listed_cost(parsed, hidden_params, arguments)
    import litellm

    usage = _usage(parsed.usage)
    if response is None:
        response = litellm.ModelResponse(
            usage=usage, **({"model": parsed.model} if parsed.model else {})
        )
    return stream_cost(logging, hidden_params, arguments, parsed.provider, response, usage)


def listed_cost(
    parsed: Response, hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]
) -> dict[str, float] | None:
    """Return the cost of a response's tokens by LiteLLM's price list; None without tokens."""
    if not parsed.usage:
        return None
    usage = _usage(parsed.usage)
    models = _models(hidden_params, arguments)
    listed = (_price(name, parsed.provider, usage) for name in models)
    parts = _product(_custom_price(arguments), usage) or next(filter(None, listed), None)
    total = sum(parts) if parts else None
    return _divided(total, parts, hidden_params, arguments, parsed.provider, usage)


def _usage(counts: Mapping[str, int]) -> Any:
    """Return tokens by MLflow's names as LiteLLM's ``Usage``, which the price list takes."""
    import litellm

    read, written = (counts.get(f"cache_{kind}_input_tokens") or 0 for kind in ("read", "creation"))
    cached = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    return litellm.Usage(
        prompt_tokens=counts.get("input_tokens") or 0,
        completion_tokens=counts.get("output_tokens") or 0,
        total_tokens=counts.get("total_tokens") or 0,
        prompt_tokens_details={"cached_tokens": read} if read else None,
        **{name: count for name, count in cached.items() if count},
    )


def _divided(  # noqa: PLR0913, PLR0917 - A price depends on each of them.
    total: float | None,
    breakdown: Parts | None,
    hidden_params: Mapping[str, Any],
    arguments: Mapping[str, Any],
    provider: str | None,
    usage: object,
) -> dict[str, float] | None:
    """Return LiteLLM's total in parts: LiteLLM's own breakdown, or else the price list's."""
    models = _models(hidden_params, arguments)
    if total is None or not _is_known(total, models, arguments):
        return None
    return cost(total, breakdown or _shares(total, models, arguments, provider, usage))


def _is_known(total: float, models: list[str], arguments: Mapping[str, Any]) -> bool:
    """Return whether a total is a price; LiteLLM gives 0 for some models without a price."""
    import litellm

    if total or _custom_price(arguments):
        return True
    names = [*models, *(name.partition("/")[2] for name in models)]
    return any(name in litellm.model_cost for name in names)


def _listed_price(provider: str | None, usage: object) -> float | None:
    """Return the cost in a usage, which the provider or LiteLLM has put there."""
    return None if provider in _CALCULATED else number(getattr(usage, "cost", None))


def _breakdown(logging: object) -> Parts | None:
    """Return LiteLLM's breakdown of the cost; None in older versions, which have none."""
    breakdown = getattr(logging, "cost_breakdown", None)
    if not isinstance(breakdown, dict):
        return None
    parts = number(breakdown.get("input_cost")), number(breakdown.get("output_cost"))
    return None if None in parts else parts  # type: ignore[return-value]


def _models(hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """Return the model names that LiteLLM may have used for the price, likeliest first."""
    info = arguments.get("model_info")
    names = (
        # Router adds a deployment's own price to the price list, by the deployment's id.
        hidden_params.get("model_id"),
        info.get("base_model") if isinstance(info, dict) else None,
        arguments.get("base_model"),
        hidden_params.get("litellm_model_name") or arguments.get("model"),
        hidden_params.get("provider_response_model"),
    )
    return [name for name in dict.fromkeys(names) if isinstance(name, str) and name]


def _shares(
    total: float,
    models: list[str],
    arguments: Mapping[str, Any],
    provider: str | None,
    usage: object,
) -> Parts | None:
    """Return the prices of input and output that give LiteLLM's total."""
    custom = _product(_custom_price(arguments), usage)
    # Price times tokens is right unless tiers, cached tokens and the like change the price.
    products = (_product(_list_price(name, provider), usage) for name in models)
    for parts in chain((custom,), products):
        if parts and math.isclose(sum(parts), total):
            return parts
    listed = [parts for name in models if (parts := _price(name, provider, usage))]
    exact = [parts for parts in listed if math.isclose(sum(parts), total)]
    return next(iter(exact or listed), custom)


def _custom_price(arguments: Mapping[str, Any]) -> Parts | None:
    """Return the prices of an input token and an output token that the call itself sets."""
    names = ("input_cost_per_token", "output_cost_per_token")
    price = tuple(number(arguments.get(name)) for name in names)
    return None if None in price else price  # type: ignore[return-value]


def _list_price(model: str, provider: str | None) -> Parts | None:
    import litellm

    # LiteLLM raises Exception itself for a model without a price.
    with errors_ignored():
        listed = litellm.get_model_info(model, custom_llm_provider=provider)
        return listed["input_cost_per_token"], listed["output_cost_per_token"]
    return None


def _product(price: Parts | None, usage: object) -> Parts | None:
    counts = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    if price is None or None in price or None in counts:
        return None
    return price[0] * counts[0], price[1] * counts[1]  # type: ignore[operator]


def _price(model: object, provider: str | None, usage: object) -> Parts | None:
    """Return the cost of a ``Usage`` by LiteLLM's price list, as input and output. 70 us."""
    import litellm

    # LiteLLM raises Exception itself for a model without a price.
    with errors_ignored():
        parts: Parts = litellm.cost_per_token(
            model=model,
            custom_llm_provider=provider,
            usage_object=usage,
            # Older versions read only these two for text completion models.
            prompt_tokens=getattr(usage, "prompt_tokens", None) or 0,
            completion_tokens=getattr(usage, "completion_tokens", None) or 0,
        )
        return parts
    return None
