"""
Patch the methods of ``litellm.Router``, which LiteLLM's versions keep in three places.

1. On the class itself.
2. On another class. Since 1.109, Router is a facade and passes each call on to a "core"; its
   methods and attributes are the core's.
3. In the instance. A Router makes methods such as ``aresponses`` from LiteLLM's functions. Before
   1.110, ``__init__`` makes them: each keeps the function that it is made from, and passes it to
   one of a few private methods of the class. From 1.110 on, the core finds the function by name at
   each call, and a method of the class with that name is used first.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._common.patching import Patch, holder_of
from mlflow_litellm._instrumentation.decision import should_trace
from mlflow_litellm._instrumentation.wrapper import wrapper_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from mlflow_litellm._instrumentation.target import Target

PREFIX = "Router."
METHODS = (
    "Router._ageneric_api_call_with_fallbacks",
    "Router._generic_api_call_with_fallbacks",
    "Router._asearch_with_fallbacks",
    "Router._pass_through_moderation_endpoint_factory",
)
# With this, the core finds the function that a method is made from, at each call. The module that
# it searches may hold the original.
LOOKUP = "router_python_host.PythonHost.invoke"
# The methods that have another name than the function that they are made from.
_NAMES = {
    "anthropic_messages": ("anthropic_messages", "aanthropic_messages"),
    "interactions.create": ("create_interaction",),
    "interactions.acreate": ("acreate_interaction",),
    "vector_stores.search": ("vector_store_search",),
    "vector_stores.asearch": ("avector_store_search",),
    # Router has these, but they return None and call nothing.
    "video_edit": (),
    "video_extension": (),
}
_EVERY_ROUTER_HAS = ("acompletion", "aembedding", "completion", "embedding")
# The names of Router's async methods begin with one of these.
_ASYNC = ("a", "create_interaction", "schedule_a")


def router_patch(litellm: ModuleType, target: Target) -> Patch:
    """
    Return the patch of a method of Router.

    Args:
        litellm: The module.
        target: The method, with a name such as ``"Router.completion"``.
    """
    return _patch(litellm, target.name.removeprefix(PREFIX), target)


def router_patches(litellm: ModuleType, targets: Sequence[tuple[Target, Patch]]) -> list[Patch]:
    """
    Return the patches of the methods that a Router makes from LiteLLM's functions.

    Args:
        litellm: The module.
        targets: All targets with their patches, including the methods of Router that have a patch
            of their own.
    """
    functions = [(target, patch) for target, patch in targets if not target.is_composite]
    if patches := _taking_a_function(litellm, functions):
        return patches
    listed = {target.name for target, _ in targets}
    served = {name: _composite(target) for target, _ in functions for name in _names(target)}
    patches = [
        _patch(litellm, name, target)
        for name, target in served.items()
        if f"{PREFIX}{name}" not in listed
    ]
    patches.append(_looking_up_a_function(litellm, functions))
    return _existing(patches)


def _existing(patches: Iterable[Patch]) -> list[Patch]:
    """Return the patches of the functions that LiteLLM has."""
    return [patch for patch in patches if patch.current is not None]


def _core(litellm: ModuleType) -> type:
    """Return the class that has Router's methods: Router or the one behind it."""
    # Several methods are looked up, because a test may have replaced one by a mock.
    holders = {holder_of(litellm, f"{PREFIX}{name}")[0] for name in _EVERY_ROUTER_HAS}
    others = (holder for holder in holders if holder is not litellm.Router)
    core = next(others, litellm.Router)
    return core if isinstance(core, type) else litellm.Router


def _patch(litellm: ModuleType, name: str, target: Target) -> Patch:
    core = _core(litellm)
    served = None if name in vars(core) else _served(litellm.Router, name)
    original = vars(core).get(name, served)
    return Patch(core, name, wrapper_for(target, original), should_trace, served=served)


def _served(router: type, name: str) -> Any:
    """Return a method that Router finds by name, as an async function if the method is async."""
    method = getattr(router, name, None)
    # Read from the class, each method is a function that is not async, also if the method is async.
    if not callable(method) or not name.startswith(_ASYNC):
        return method

    @functools.wraps(method)
    async def async_method(self: object, *args: object, **kwargs: object) -> Any:
        result = method(self, *args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return async_method


def _names(target: Target) -> Iterable[str]:
    """Return the names of the methods that a Router makes from a function."""
    return _NAMES.get(target.name, (target.name.removeprefix("google_genai."),))


def _taking_a_function(
    litellm: ModuleType, functions: Sequence[tuple[Target, Patch]]
) -> list[Patch]:
    def call_composite(wrapped: Any, router: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        function = kwargs.get("original_function", "")
        for target, patch in functions:
            if function is patch.original or function is patch.patched:
                patched = {**kwargs, "original_function": patch.patched}
                return wrapper_for(_composite(target), wrapped)(wrapped, router, args, patched)
        return wrapped(*args, **kwargs)

    return _existing(
        Patch(*holder_of(litellm, name), call_composite, should_trace) for name in METHODS
    )


def _looking_up_a_function(litellm: ModuleType, functions: Sequence[tuple[Target, Patch]]) -> Patch:
    def invoke(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        function = wrapped(*args, **kwargs)
        patched = (patch.patched for _, patch in functions if function is patch.original)
        return next(patched, function)

    return Patch(*holder_of(litellm, LOOKUP), invoke, should_trace)


def _composite(target: Target) -> Target:
    name = target.name.removeprefix("google_genai.")
    return replace(target, name=f"{PREFIX}{name}", span_type=SpanType.CHAIN, is_composite=True)
