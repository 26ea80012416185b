"""
Traces the methods that a Router makes of LiteLLM's functions as it is built: ``aresponses`` etc.

Each is the instance's own and keeps the function that it was made of: a Router that was built
before tracing was on keeps the one without a wrapper. All of them pass it to a few methods of the
class, whose names are private; where LiteLLM has them no more, these calls are traced as those of
a Router that is built afterwards, without a span of the route.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._patching import Patch, holder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from mlflow_litellm._calls import Door

METHODS = (
    "Router._ageneric_api_call_with_fallbacks",
    "Router._generic_api_call_with_fallbacks",
    "Router._asearch_with_fallbacks",
    "Router._pass_through_moderation_endpoint_factory",
)


def patches(
    litellm: ModuleType, doors: Sequence[tuple[Door, Patch]], is_on: Callable[[], bool]
) -> list[Patch]:
    """
    Return the patches of those methods, as far as this version of LiteLLM has them.

    Args:
        litellm: The module.
        doors: What the functions are known by that a Router may have taken.
        is_on: Asked at each call whether it is traced.
    """

    def route(wrapped: Any, router: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        function = kwargs.get("original_function", "")
        for door, patch in doors:
            if function is patch.original or function is patch.patched:
                given = {**kwargs, "original_function": patch.patched}
                return _route(door).wrapper(wrapped)(wrapped, router, args, given)
        return wrapped(*args, **kwargs)

    found = (Patch(*holder_of(litellm, name), route, is_on) for name in METHODS)
    return [patch for patch in found if patch.current is not None]


def _route(door: Door) -> Door:
    name = door.name.removeprefix("google_genai.")
    return replace(door, name=f"Router.{name}", span_type=SpanType.CHAIN, is_route=True)
