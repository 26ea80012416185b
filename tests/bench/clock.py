"""
A clock inside LiteLLM's functions, which separates the tracer's time from LiteLLM's.

A small cost is lost in the variation of calls that take milliseconds, so it is measured directly.
A slowdown that a tracer causes within LiteLLM is not included: whole calls are measured for that.
"""

from __future__ import annotations

import functools
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# The result of pace() on the machine for which the bounds in µs and ms are meant.
USUAL_PACE_US = 750.0
STEPS = 5000


class Clock:
    """
    Wraps LiteLLM's ``completion``, ``acompletion`` and its streams, below any tracer.

    It measures the processor time of the caller's thread, as LiteLLM logs in other threads
    meanwhile.

    Attributes:
        inside: The time of each call of these functions, in nanoseconds, in the order of their
            ends.
    """

    def __init__(self) -> None:
        import litellm

        self.inside: list[int] = []
        stream = litellm.CustomStreamWrapper
        for holder, name in (
            (litellm, "completion"), (litellm, "acompletion"),
            (stream, "__next__"), (stream, "__anext__"),
        ):  # fmt: skip
            timed = self._atimed if name in {"acompletion", "__anext__"} else self._timed
            setattr(holder, name, timed(getattr(holder, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = thread_time_ns()
            try:
                return function(*args, **kwargs)
            finally:
                self.inside.append(thread_time_ns() - began)

        return timed

    def _atimed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def timed(*args: Any, **kwargs: Any) -> Any:
            began = thread_time_ns()
            try:
                return await function(*args, **kwargs)
            finally:
                self.inside.append(thread_time_ns() - began)

        return timed

    def beyond(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[int, Any]:
        """Return the time of a call without LiteLLM's part, in ns, and the call's result."""
        self.inside.clear()
        began = thread_time_ns()
        result = function(*args, **kwargs)
        return thread_time_ns() - began - sum(self.inside), result

    async def abeyond(self, function: Callable[..., Any], **kwargs: Any) -> int:
        """Return the time of an async call without LiteLLM's part, which is in `inside`."""
        began = thread_time_ns()
        await function(**kwargs)
        return thread_time_ns() - began


def pace() -> float:
    """
    Return how many times faster the reference machine of the bounds is than this machine now.

    It times a fixed piece of ordinary Python work: neighbours on the same hardware may double all
    times for minutes, and other machines have other speeds.
    """
    began = thread_time_ns()
    found: dict[str, list[int]] = {}
    for step in range(STEPS):
        found.setdefault(f"step-{step % 97}", []).append(step)
    assert sum(len(steps) for steps in found.values()) == STEPS
    return USUAL_PACE_US * 1000 / (thread_time_ns() - began)
