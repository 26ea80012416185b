"""
A clock inside LiteLLM's functions: what a call takes beyond it is the tracer's.

Small costs are lost beside calls of milliseconds, of which one takes longer than the next. So
these are taken directly. What a tracer makes slower within LiteLLM is not in them: whole calls are
measured for that.
"""

from __future__ import annotations

import functools
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# What pace() takes on the machine that the bounds in µs and ms are meant for.
USUAL_PACE_US = 750.0
STEPS = 5000


class Clock:
    """
    Stands in LiteLLM's ``completion``, ``acompletion`` and its streams, below any tracer.

    Its time is the processor's for the caller's thread, as LiteLLM logs in others meanwhile.

    Attributes:
        inside: What each call of these took, in nanoseconds, in the order of their ends.
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
        """Return what a call took beyond LiteLLM's part, in ns, and its result."""
        self.inside.clear()
        began = thread_time_ns()
        result = function(*args, **kwargs)
        return thread_time_ns() - began - sum(self.inside), result

    async def abeyond(self, function: Callable[..., Any], **kwargs: Any) -> int:
        """Return what an async call took, without LiteLLM's part, which is in `inside`."""
        began = thread_time_ns()
        await function(**kwargs)
        return thread_time_ns() - began


def pace() -> float:
    """
    Return how much faster than now the machine is that bounds are meant for.

    A fixed piece of Python's ordinary work is timed: neighbours on the same hardware make all
    take twice as long for minutes, and other machines are other machines.
    """
    began = thread_time_ns()
    found: dict[str, list[int]] = {}
    for step in range(STEPS):
        found.setdefault(f"step-{step % 97}", []).append(step)
    assert sum(len(steps) for steps in found.values()) == STEPS
    return USUAL_PACE_US * 1000 / (thread_time_ns() - began)
