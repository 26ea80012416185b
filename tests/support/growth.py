"""The growth of a function's time with its input."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import clear_cache

if TYPE_CHECKING:
    from collections.abc import Callable

# In seconds of processor time. A time below this at the larger size delays nobody.
_FAST = 0.02
# The allowed factor over linear growth; a tenfold input has factor 10 in quadratic growth.
_TOLERATED = 4


def is_linear(work: Callable[[int], Callable[[], Any]], *sizes: int) -> bool:
    """
    Return whether work takes time in proportion to its size, at most four times as much.

    Args:
        work: Returns the function to time, with its input of a size.
        sizes: From the smallest to the largest. Stops at the first that takes too long.
    """
    first, *others = sizes
    # A busy machine only slows it down, so one fast run is enough.
    return all(any(_fits(work, first, size) for _ in range(3)) for size in others)


def _fits(work: Callable[[int], Callable[[], Any]], small: int, large: int) -> bool:
    taken = _seconds(work(large))
    return taken < _FAST or taken < _TOLERATED * large / small * _seconds(work(small))


def _seconds(run: Callable[[], Any]) -> float:
    clear_cache()
    gc.disable()
    try:
        start = time.thread_time()
        run()
        return time.thread_time() - start
    finally:
        gc.enable()
