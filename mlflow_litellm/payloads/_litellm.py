"""
What LiteLLM tells about a response: its hidden parameters, token usage, cost.

litellm takes two seconds to import; it is imported where a call has been made, by the call.
"""

from __future__ import annotations

import math
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from mlflow_litellm.payloads._plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

# LiteLLM's look-up of these signs in, which may ask the user to.
_SIGNING_IN = frozenset({"chatgpt", "github_copilot"})
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
    return {**vars(model), **(model.model_extra or {})}


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
    details = getattr(reported, "prompt_tokens_details", None)
    found = {
        "input_tokens": getattr(reported, "prompt_tokens", None),
        "output_tokens": getattr(reported, "completion_tokens", None),
        "total_tokens": getattr(reported, "total_tokens", None),
        "cache_read_input_tokens": getattr(details, "cached_tokens", None),
        "cache_creation_input_tokens": getattr(details, "cache_creation_tokens", None),
    }
    # A bool is an int to Python, and some gateways put flags among the counts.
    counts = {key: value for key, value in found.items() if type(value) is int}
    return counts if any(counts.values()) else None


def provider(hidden: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Return LiteLLM's name of the provider, from the model's name where nothing tells it."""
    told = hidden.get("custom_llm_provider")
    if told and told != CACHED:
        return str(told)
    if given := arguments.get("custom_llm_provider"):
        return str(given)
    return _look_up(arguments.get("model"))[0]


def api_base(
    hidden: Mapping[str, Any], arguments: Mapping[str, Any], provider: str | None
) -> str | None:
    """
    Return where the call went, without credentials and query.

    LiteLLM tells only what the arguments gave, or guesses the provider's default: variables such
    as ``OPENAI_BASE_URL`` pass it by. So the provider's configuration is asked as well.
    """
    import litellm

    given = arguments.get("api_base") or arguments.get("base_url")
    # Asking would ask a secret manager in turn, which is on the network.
    is_offline = getattr(litellm, "secret_manager_client", None) is None
    if not given and provider and provider not in _SIGNING_IN and is_offline:
        names = (f"{provider.upper()}_API_BASE", f"{provider.upper()}_BASE_URL")
        given = _configured_base(provider, litellm.api_base, *map(os.environ.get, names))
    return endpoint(given or hidden.get("api_base"))


@lru_cache(maxsize=256)
def _configured_base(provider: str, *_: str | None) -> str | None:
    """Return where a provider is configured to be; the rest is what that depends on."""
    return _look_up(f"{provider}/model")[1] or _default_base(provider)


def _default_base(provider: str) -> str | None:
    try:
        from litellm.types.utils import LlmProviders
        from litellm.utils import ProviderConfigManager

        known = ProviderConfigManager.get_provider_model_info(
            model=None, provider=LlmProviders(provider)
        )
        base: str | None = known and known.get_api_base()
        return base
    except Exception:  # noqa: BLE001 - Each provider's own, some of which refuse to answer.
        return None


def _look_up(model: Any) -> tuple[str | None, str | None]:
    """Return a model's provider and where that is configured to be; None where unknown."""
    import litellm

    try:
        _, provider, _, base = litellm.get_llm_provider(model)
    except Exception:  # noqa: BLE001 - LiteLLM raises several types for what it does not know.
        return None, None
    return provider, base


def price(model: Any, provider: str | None, reported: Any) -> tuple[float, float] | None:
    """Return what LiteLLM's price list asks for a ``Usage``, input and output, in USD. 70 us."""
    if model is None or usage(reported) is None:
        return None
    import litellm

    try:
        parts: tuple[float, float] = litellm.cost_per_token(
            model=model, custom_llm_provider=provider, usage_object=reported
        )
        return parts
    except Exception:  # noqa: BLE001 - LiteLLM raises plain Exception for a model without a price.
        return None


def shares(
    total: float, model: Any, provider: str | None, reported: Any
) -> tuple[float, float] | None:
    """Return the list price of input and output behind a total that LiteLLM told."""
    import litellm

    try:
        listed = litellm.get_model_info(model, custom_llm_provider=provider)
        parts = (
            reported.prompt_tokens * listed["input_cost_per_token"],
            reported.completion_tokens * listed["output_cost_per_token"],
        )
        # The plain product holds unless tiers, cached tokens and the like come in.
        if math.isclose(sum(parts), total):
            return parts
    except Exception:  # noqa: BLE001, S110 - Raises plain Exception for a model without a price.
        pass
    return price(model, provider, reported)


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
