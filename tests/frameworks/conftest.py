"""Fixtures: the provider's address, the tokens of its responses, and MLflow's framework tracing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from callers import AsyncCaller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from provider import LoopbackProvider


@pytest.fixture
def known(provider: LoopbackProvider) -> dict[str, Any]:
    """Provide LiteLLM arguments with the provider's address."""
    return {"api_base": provider.openai_base, "api_key": "sk-very-secret"}


@pytest.fixture
def run(provider: LoopbackProvider) -> Callable[[Callable[[], Awaitable[Any]]], Any]:
    """Provide a function that runs user code on an event loop."""
    return AsyncCaller(provider).run


@pytest.fixture
def answered(provider: LoopbackProvider) -> Callable[[], dict[str, int]]:
    """Provide a function that sums the tokens of this test's responses, as MLflow does."""
    before = len(provider.spent)

    def count() -> dict[str, int]:
        spent = provider.spent[before:]
        asked, said = sum(usage.fresh for usage in spent), sum(usage.completion for usage in spent)
        return {"input_tokens": asked, "output_tokens": said, "total_tokens": asked + said}

    return count


@pytest.fixture
def flavor() -> Iterator[Callable[[str], None]]:
    """Provide a function that switches on MLflow's tracing of a framework until the test ends."""
    # LiteLLM caches clients, and a client keeps the methods of its first call.
    litellm.in_memory_llm_clients_cache.flush_cache()
    switched = []

    def switch_on(name: str) -> None:
        switched.append(importlib.import_module(f"mlflow.{name}"))
        switched[-1].autolog()

    yield switch_on
    for module in switched:
        module.autolog(disable=True)
    litellm.in_memory_llm_clients_cache.flush_cache()
