"""
The destination of a call: LiteLLM's name of the provider, and the address without credentials.

litellm takes two seconds to import. Functions import it here, when a call has already loaded it.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._payloads.base import CACHED
from mlflow_litellm._payloads.secrets import endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

# LiteLLM's look-up of these providers signs in, and may ask the user to sign in.
_SIGNING_IN = frozenset({"chatgpt", "github_copilot"})


def requested_base_url(arguments: Mapping[str, Any]) -> str | None:
    """Return the address in the arguments, without credentials."""
    return endpoint(arguments.get("api_base") or arguments.get("base_url"))


def provider(hidden_params: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Return LiteLLM's name of the provider; the model's name is the last source."""
    named = hidden_params.get("custom_llm_provider")
    if named and named != CACHED:
        return str(named)
    return named_provider(arguments) or _provider_of(arguments.get("model"))


def named_provider(arguments: Mapping[str, Any]) -> str | None:
    """Return the provider in the arguments: its own argument, or the prefix of the model."""
    import litellm

    if provider := arguments.get("custom_llm_provider"):
        return str(provider)
    prefix, named, _ = str(arguments.get("model")).partition("/")
    return prefix if named and prefix in litellm.provider_list else None


def api_base(
    hidden_params: Mapping[str, Any], arguments: Mapping[str, Any], provider: str | None
) -> str | None:
    """
    Return the address of the call's destination, without credentials and query.

    LiteLLM reports the address in the arguments, or guesses the provider's default, and misses
    variables such as ``OPENAI_BASE_URL``. So this also reads the provider's configuration.
    """
    import litellm

    base = requested_base_url(arguments)
    # With a secret manager, this look-up would send a request over the network.
    is_offline = getattr(litellm, "secret_manager_client", None) is None
    if not base and provider and provider not in _SIGNING_IN and is_offline:
        names = (f"{provider.upper()}_API_BASE", f"{provider.upper()}_BASE_URL")
        base = _configured_base(provider, litellm.api_base, *map(os.environ.get, names))
    return base or endpoint(hidden_params.get("api_base"))


@lru_cache(maxsize=256)
def _configured_base(provider: str, *_: str | None) -> str | None:
    """Return a provider's configured address; the other arguments only make the cache key."""
    return endpoint(_look_up(f"{provider}/model")[1] or _default_base(provider))


def _default_base(provider: str) -> str | None:
    # Some providers' classes raise.
    with errors_ignored():
        from litellm.types.utils import LlmProviders
        from litellm.utils import ProviderConfigManager

        info = ProviderConfigManager.get_provider_model_info(
            model=None, provider=LlmProviders(provider)
        )
        base: str | None = info and info.get_api_base()
        return base
    return None


def _provider_of(model: object) -> str | None:
    import litellm

    # For an unknown name, such as a Router's model group, LiteLLM prints a help text.
    name = str(model)
    is_known = name in litellm.model_cost or name.startswith("ft:")
    return _look_up(name)[0] if is_known else None


def _look_up(model: object) -> tuple[str | None, str | None]:
    """Return a model's provider and the provider's configured address; None if unknown."""
    import litellm

    # LiteLLM raises errors of several types for an unknown model.
    with errors_ignored():
        _, provider, _, base = litellm.get_llm_provider(model)
        return provider, base
    return None, None
