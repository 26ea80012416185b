"""
Where a call went: the provider by LiteLLM's name, and the address without what opens it.

litellm takes two seconds to import; it is imported where a call has been made, by the call.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._payloads.hidden_params import CACHED
from mlflow_litellm._payloads.urls import endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

# LiteLLM's look-up of these signs in, which may ask the user to.
_SIGNING_IN = frozenset({"chatgpt", "github_copilot"})


def requested_base_url(arguments: Mapping[str, Any]) -> str | None:
    """Return the address that the arguments give, without what opens it."""
    return endpoint(arguments.get("api_base") or arguments.get("base_url"))


def provider(hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Return LiteLLM's name of the provider, from the model's name where nothing tells it."""
    named = hidden_params.get("custom_llm_provider")
    if named and named != CACHED:
        return str(named)
    return named_provider(arguments) or _provider_of(arguments.get("model"))


def named_provider(arguments: Mapping[str, Any]) -> str | None:
    """Return the provider that the arguments name: of its own, or before the model's."""
    import litellm

    if given := arguments.get("custom_llm_provider"):
        return str(given)
    prefix, named, _ = str(arguments.get("model")).partition("/")
    return prefix if named and prefix in litellm.provider_list else None


def api_base(
    hidden_params: Mapping[str, Any], arguments: Mapping[str, Any], provider: str | None
) -> str | None:
    """
    Return where the call went, without credentials and query.

    LiteLLM tells only what the arguments gave, or guesses the provider's default: variables such
    as ``OPENAI_BASE_URL`` pass it by. So the provider's configuration is asked as well.
    """
    import litellm

    base = requested_base_url(arguments)
    # Asking would ask a secret manager in turn, which is on the network.
    is_offline = getattr(litellm, "secret_manager_client", None) is None
    if not base and provider and provider not in _SIGNING_IN and is_offline:
        names = (f"{provider.upper()}_API_BASE", f"{provider.upper()}_BASE_URL")
        base = _configured_base(provider, litellm.api_base, *map(os.environ.get, names))
    return base or endpoint(hidden_params.get("api_base"))


@lru_cache(maxsize=256)
def _configured_base(provider: str, *_: str | None) -> str | None:
    """Return where a provider is configured to be; the rest is what that depends on."""
    return endpoint(_look_up(f"{provider}/model")[1] or _default_base(provider))


def _default_base(provider: str) -> str | None:
    # Each provider's own, some of which refuse to answer.
    with errors_ignored():
        from litellm.types.utils import LlmProviders
        from litellm.utils import ProviderConfigManager

        known = ProviderConfigManager.get_provider_model_info(
            model=None, provider=LlmProviders(provider)
        )
        base: str | None = known and known.get_api_base()
        return base
    return None


def _provider_of(model: Any) -> str | None:
    import litellm

    # Asked about another name, such as that of a Router's models, LiteLLM prints where to look.
    name = str(model)
    is_known = name in litellm.model_cost or name.startswith("ft:")
    return _look_up(name)[0] if is_known else None


def _look_up(model: Any) -> tuple[str | None, str | None]:
    """Return a model's provider and where that is configured to be; None where unknown."""
    import litellm

    # LiteLLM raises several types for what it does not know.
    with errors_ignored():
        _, provider, _, base = litellm.get_llm_provider(model)
        return provider, base
    return None, None
