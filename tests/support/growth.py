"""How the time that something takes grows with its input."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import clear_cache

if TYPE_CHECKING:
    from collections.abc import Callable

# In seconds of the processor's. What is as fast as this at the larger size holds nobody up.
_FAST = 0.02
# Times what is in proportion. By the square, a tenfold input takes ten times that.
_TOLERATED = 4


def is_linear(work: Callable[[int], Callable[[], Any]], *sizes: int) -> bool:
    """
    Tell whether work takes time in proportion to its size, at most four times as much.

    Args:
        work: Returns what is to be timed, with its input of a size.
        sizes: From the smallest to the largest. Ends with the first that takes too long.
    """
    first, *others = sizes
    # A busy machine only makes it seem slower: what is fast once is fast.
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
