"""A model of the functions under LiteLLM's names, of their wrappers, and of the holders of both."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import litellm
import wrapt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@dataclass(eq=False)
class Layer:
    """
    One function in the chain of a call.

    Attributes:
        function: The function.
        below: The function that it calls; None for LiteLLM's own.
        is_ours: Whether it is this package's wrapper, and not another library's.
        seen: The number of calls of another library's wrapper.
    """

    function: Any
    below: Layer | None = None
    is_ours: bool = False
    seen: int = 0

    def path(self) -> Iterator[Layer]:
        """Yield it and all layers below it."""
        layer: Layer | None = self
        while layer is not None:
            yield layer
            layer = layer.below

    def holds(self, other: Layer | None) -> bool:
        """Return whether a call of it reaches another layer."""
        return any(layer is other for layer in self.path())


@dataclass(eq=False)
class Alias:
    """A module that imported the function, and the layer that it should hold."""

    module: ModuleType
    layer: Layer


@dataclass
class Name:
    """The expected content of one name of LiteLLM, and of its aliases."""

    name: str
    top: Layer
    ours: Layer | None = None
    is_cut: bool = False
    remembered: Layer | None = None
    aliases: list[Alias] = field(default_factory=list)
    captured: list[Layer] = field(default_factory=list)

    @property
    def current(self) -> Any:
        """The current object under the name."""
        return vars(litellm)[self.name]

    def places(self) -> list[Layer]:
        """Return every function that a name or an alias holds."""
        return [self.top, *(alias.layer for alias in self.aliases), *self.captured]

    def enabled(self) -> None:
        """Expect the wrapper on top, unless it is below another library's, and in modules."""
        if not self.top.holds(self.ours):
            assert self.current is not self.top.function
            if self.ours is None or self.ours.below is not self.top:
                self.ours = Layer(self.current, self.top, is_ours=True)
            self.top = self.ours
        self.is_cut = False
        self._expect(self.ours.below, self.ours)

    def disabled(self) -> None:
        """Expect the layer below the wrapper, unless another's covers it, and in modules."""
        if self.ours is not None:
            self.top = self.ours.below if self.top is self.ours else self.top
            self._expect(self.ours, self.ours.below)

    def _expect(self, before: Layer, after: Layer) -> None:
        for alias in self.aliases:
            if alias.layer is before:
                alias.layer = after

    def may_restore(self) -> bool:
        """
        Return whether the remembered object differs from a wrapper on top of ours.

        False if it contains a wrapper of ours that was removed since, or if it is deeper in the
        chain.
        """
        known = self.remembered
        if known is None or self.is_cut:
            return False
        if any(layer.is_ours for layer in known.path()):
            return all(self.top.holds(layer) for layer in known.path() if layer.is_ours)
        return not self.top.holds(self.ours) or known is self.ours.below

    def restore(self) -> None:
        """Put the remembered object back, whatever is there now."""
        self.is_cut = self.top.holds(self.ours) and not self.remembered.holds(self.ours)
        self.put(self.remembered)

    def put(self, layer: Layer) -> None:
        """Put a layer there, as another library does."""
        setattr(litellm, self.name, layer.function)
        self.top = layer


def covered_by_wrapt(layer: Layer) -> Any:
    """Return a wrapper of the kind that most libraries make."""

    def other(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        layer.seen += 1
        return wrapped(*args, **kwargs)

    return wrapt.FunctionWrapper(layer.below.function, other)


def covered_by_closure(layer: Layer) -> Any:
    """Return a wrapper that is a closure."""
    wrapped = layer.below.function

    @functools.wraps(wrapped)
    def other(*args: Any, **kwargs: Any) -> Any:
        layer.seen += 1
        return wrapped(*args, **kwargs)

    return other
