"""Calls pairs of LiteLLM's functions, sync and async, from one test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import litellm
from callers import AsyncCaller

if TYPE_CHECKING:
    from callers import Caller

SECRET = "sk-very-secret"


def is_async(caller: Caller) -> bool:
    """Return whether a caller is async."""
    return isinstance(caller, AsyncCaller)


def call(caller: Caller, name: str, holder: Any = litellm, **kwargs: Any) -> Any:
    """Call a function of a pair, by its sync name, in the caller's way."""
    if not is_async(caller):
        return getattr(holder, name)(**kwargs)
    function = getattr(holder, f"a{name}")
    return caller.run(lambda: function(**kwargs))


def openai(caller: Caller, **kwargs: Any) -> dict[str, Any]:
    """Return arguments of a call that OpenAI's formats serve."""
    known = {"model": "openai/gpt-4o-mini", "api_base": caller.provider.openai_base}
    return {**known, "api_key": SECRET, **kwargs}


def without(outputs: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return outputs without the fields that differ between any two responses."""
    return {key: value for key, value in outputs.items() if key not in names}
