"""
What LiteLLM tells about a response: its hidden parameters, token usage, cost.

litellm takes two seconds to import; it is imported where a call has been made, by the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from mlflow_litellm.payloads._plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

# What LiteLLM calls the provider of a stream that it plays back from its cache.
CACHED = "cached_response"


def hidden_params(result: Any) -> dict[str, Any]:
    """
    Return what LiteLLM hangs on a response, a chunk or a stream beside the provider's answer.

    ``_hidden_params`` is private in name, but LiteLLM's documentation tells users to read it:
    https://docs.litellm.ai/docs/completion/token_usage. Empty where there is none.
    """
    hidden = getattr(result, "_hidden_params", None)
    return hidden if isinstance(hidden, dict) else {}


def is_cache_hit(hidden: Mapping[str, Any]) -> bool:
    """Tell whether LiteLLM's cache answered; older versions say so of streams by the provider."""
    return bool(hidden.get("cache_hit")) or hidden.get("custom_llm_provider") == CACHED


def fields(model: Any) -> dict[str, Any]:
    """Return a pydantic object's fields and extras, set to None or not."""
    extra = getattr(model, "model_extra", None)
    return {**vars(model), **extra} if extra else vars(model)


def call_attributes(hidden: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span attributes that hidden parameters carry; what is unknown is absent."""
    known = {
        "litellm_call_id": hidden.get("litellm_call_id"),
        "cache_hit": is_cache_hit(hidden),
        "model_id": hidden.get("model_id"),
    }
    return {key: plain(value) for key, value in known.items() if value not in (None, "")}


def endpoint(url: Any) -> str | None:
    """Return a URL without credentials, query and fragment, which may hold keys."""
    if not isinstance(url, str) or not url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        return None


def usage(reported: Any) -> dict[str, int] | None:
    """
    Return a LiteLLM ``Usage`` by MLflow's names; None where nothing was counted.

    LiteLLM counts cached tokens among the prompt's, for every provider:
    https://docs.litellm.ai/docs/completion/prompt_caching
    """
    if reported is None:
        return None
    counted = plain(reported)
    details = counted.get("prompt_tokens_details") or {}
    found = {
        "input_tokens": counted.get("prompt_tokens"),
        "output_tokens": counted.get("completion_tokens"),
        "total_tokens": counted.get("total_tokens"),
        "cache_read_input_tokens": details.get("cached_tokens"),
        "cache_creation_input_tokens": details.get("cache_creation_tokens"),
    }
    counts = {key: value for key, value in found.items() if _is_count(value)}
    return counts if any(counts.values()) else None


def _is_count(value: Any) -> bool:
    # A bool is an int to Python; some gateways put flags among the counts.
    return isinstance(value, int) and not isinstance(value, bool)


def provider(hidden: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Return LiteLLM's name of the provider, from the model's name where nothing tells it."""
    told = hidden.get("custom_llm_provider")
    if told and told != CACHED:
        return str(told)
    if given := arguments.get("custom_llm_provider"):
        return str(given)
    return _ask("get_llm_provider", arguments.get("model"), part=1)


def api_base(
    hidden: Mapping[str, Any], arguments: Mapping[str, Any], provider: str | None
) -> str | None:
    """
    Return where the call went, without credentials and query.

    LiteLLM tells only what the arguments gave, or guesses the provider's default: variables such
    as ``OPENAI_BASE_URL`` pass it by. So the provider's configuration is asked as well.
    """
    given = arguments.get("api_base") or arguments.get("base_url")
    return endpoint(given or _configured_base(provider) or hidden.get("api_base"))


def _configured_base(provider: str | None) -> str | None:
    import litellm

    if provider is None or getattr(litellm, "secret_manager_client", None) is not None:
        # Asking would ask the secret manager in turn, which is on the network.
        return None
    return _ask("get_llm_provider", f"{provider}/model", part=3) or _default_base(provider)


def _default_base(provider: str) -> str | None:
    try:
        from litellm.types.utils import LlmProviders
        from litellm.utils import ProviderConfigManager

        known = ProviderConfigManager.get_provider_model_info(
            model=None, provider=LlmProviders(provider)
        )
        return known and known.get_api_base()
    except Exception:  # noqa: BLE001 - Each provider's own, some of which refuse to answer.
        return None


def _ask(function: str, *args: Any, part: int) -> Any:
    """Return a part of what one of LiteLLM's look-ups tells; None where it does not know."""
    import litellm

    try:
        return getattr(litellm, function)(*args)[part]
    except Exception:  # noqa: BLE001 - LiteLLM raises several types for what it does not know.
        return None


def price(model: Any, provider: str | None, reported: Any) -> tuple[float, float] | None:
    """Return what LiteLLM's price list asks for a ``Usage``, input and output, in USD."""
    if model is None or usage(reported) is None:
        return None
    import litellm

    try:
        return litellm.cost_per_token(
            model=model, custom_llm_provider=provider, usage_object=reported
        )
    except Exception:  # noqa: BLE001 - LiteLLM raises plain Exception for a model without a price.
        return None


def cost(total: Any, parts: tuple[float, float] | None) -> dict[str, float] | None:
    """
    Return a cost in MLflow's three parts; None where the total is unknown.

    Args:
        total: What the call cost, in USD.
        parts: The list price of input and output, by which the total is divided.
    """
    if not isinstance(total, (int, float)) or isinstance(total, bool):
        return None
    priced = sum(parts) if parts else 0.0
    input_cost = total * parts[0] / priced if parts and priced else float(total)
    return {
        "input_cost": input_cost,
        "output_cost": total - input_cost,
        "total_cost": float(total),
    }
