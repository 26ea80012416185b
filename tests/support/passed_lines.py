"""Finds the lines of the package that a function passes, and does something at one of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Line = tuple[str, int]


def passed_lines(
    function: Callable[[], object],
    is_ours: Callable[[FrameType], bool],
    at: tuple[Line, int] | None = None,
    action: Any = None,
) -> list[Line]:
    """
    Call a function, and return the files and lines that it passes, in order.

    Finalizers are left out: Python ignores their exceptions.

    Args:
        function: The function.
        is_ours: Returns whether the lines of a frame count.
        at: A line, and the number of the pass at which `action` is used.
        action: An object with ``__neg__``. It is not called: after a call, Python may look for
            signals here.
    """
    passed: list[Line] = []

    def at_line(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            line = frame.f_code.co_filename, frame.f_lineno
            passed.append(line)
            if (line, passed.count(line)) == at:
                sys.settrace(None)
                _ = -action
        return at_line

    def at_call(frame: FrameType, *_: object) -> Any:
        if not is_ours(frame):
            return None
        outer: FrameType | None = frame
        while outer is not None and outer.f_code.co_name != "__del__":
            outer = outer.f_back
        return at_line if outer is None else None

    sys.settrace(at_call)
    try:
        function()
    finally:
        sys.settrace(None)
    return passed
