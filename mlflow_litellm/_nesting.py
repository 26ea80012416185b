"""
Which call an inner call is part of: LiteLLM answers some calls by making others.

It bridges a kind of call that a provider lacks to one that it has, tries deployments and
fallbacks one after the other, and runs models and tools in turns. The first is one call; of the
others each is a call of its own, below the one that the user made.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from mlflow_litellm._guard import guard

if TYPE_CHECKING:
    from contextvars import Token

    from mlflow_litellm._spans import ActiveSpan, CallSpan
    from mlflow_litellm.payloads import Payload

# Stand between LiteLLM and the functions that it calls.
_BETWEEN = frozenset(
    {"asyncio", "concurrent", "contextlib", "mlflow_litellm", "tenacity", "threading", "wrapt"}
)
# Other Pythons may lack it.
_getframe: Any = getattr(sys, "_getframe", None)


class Enclosing:
    """
    A call that is under way, as inner calls see it.

    Attributes:
        span: Its span.
        payload: What kind of call it is.
        is_route: Whether it makes calls of its own, and is none to a model itself.
        is_open: Whether it has yet to end.
        steps: How many calls of its own kind were made for it.
    """

    __slots__ = ("is_open", "is_route", "payload", "span", "steps")

    def __init__(self, span: CallSpan, payload: Payload, *, is_route: bool) -> None:
        self.span = span
        self.payload = payload
        self.is_route = is_route
        self.is_open = True
        self.steps = 0

    @property
    def is_composite(self) -> bool:
        """Whether the calls below it are what reached models, and have the tokens."""
        return self.is_route or self.steps > 0

    def active(self) -> Active:
        """Return a context manager that makes this the enclosing call, and its span current."""
        return Active(self)


class Active:
    """Makes a call the enclosing one, and its span the current one, in this context only."""

    __slots__ = ("_enclosing", "_span", "_token")

    def __init__(self, enclosing: Enclosing) -> None:
        self._enclosing = enclosing
        self._span: ActiveSpan = enclosing.span.active()
        self._token: Token[Enclosing | None] | None = None

    def __enter__(self) -> None:
        self._span.__enter__()
        self._token = _current.set(self._enclosing)

    def __exit__(self, *_: object) -> None:
        token, self._token = self._token, None
        if token is not None:
            # A generator that the collector closes is left in another context than it was entered.
            with guard("leaving a call"):
                _current.reset(token)
        self._span.__exit__()


_current: ContextVar[Enclosing | None] = ContextVar("mlflow_litellm_enclosing", default=None)


def enclosing() -> Enclosing | None:
    """Return the innermost call that is under way in this context."""
    call = _current.get()
    return call if call is not None and call.is_open else None


def is_plumbing(payload: Payload, *, bridges: bool) -> bool:
    """
    Tell whether the call now being made is LiteLLM's way to make the enclosing one.

    To be asked where the call is made, as it is told by the stack; where that cannot be read, no
    call is. Counts the call as a step of the enclosing one, where it is that.

    Args:
        payload: What kind of call it is.
        bridges: Whether LiteLLM bridges other kinds of call to this one.
    """
    outer = enclosing()
    if outer is None or not (outer.is_route or _is_by_litellm()):
        return False
    if outer.payload is payload:
        outer.steps += 1
        return False
    return bridges and not outer.is_route


def _is_by_litellm() -> bool:
    frame: Any = _getframe(1) if _getframe else None
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in _BETWEEN:
            return package == "litellm"
        frame = frame.f_back
    # Given to a thread as it is, by a call that is under way: only LiteLLM's threads know of it.
    return _getframe is not None
