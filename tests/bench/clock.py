"""
A clock inside LiteLLM's functions: what a call takes beyond it is the tracer's.

Small costs are lost beside calls of milliseconds, of which one takes longer than the next. So
these are taken directly. What a tracer makes slower within LiteLLM is not in them: whole calls are
measured for that.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """
    Stands in LiteLLM's ``completion``, ``acompletion`` and its streams, below any tracer.

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
            began = time.perf_counter_ns()
            try:
                return function(*args, **kwargs)
            finally:
                self.inside.append(time.perf_counter_ns() - began)

        return timed

    def _atimed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter_ns()
            try:
                return await function(*args, **kwargs)
            finally:
                self.inside.append(time.perf_counter_ns() - began)

        return timed

    def beyond(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[int, Any]:
        """Return what a call took beyond LiteLLM's part, in ns, and its result."""
        self.inside.clear()
        began = time.perf_counter_ns()
        result = function(*args, **kwargs)
        return time.perf_counter_ns() - began - sum(self.inside), result

    async def abeyond(self, function: Callable[..., Any], **kwargs: Any) -> int:
        """Return what an async call took, without LiteLLM's part, which is in `inside`."""
        began = time.perf_counter_ns()
        await function(**kwargs)
        return time.perf_counter_ns() - began
