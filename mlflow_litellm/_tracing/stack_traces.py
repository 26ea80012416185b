"""Format an exception's stack trace, without the frames of the wrappers around the call."""

from __future__ import annotations

from pathlib import Path
from traceback import TracebackException
from typing import TYPE_CHECKING

import wrapt

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS = (str(Path(__file__).parents[1]), str(Path(wrapt.__file__).parent))


def stack_trace(error: BaseException) -> str:
    """
    Return an exception's stack trace as Python prints it, with its causes.

    The frames of this package and of wrapt are left out: they belong to the wrappers, and a reader
    would see them first. The exception stays unchanged.
    """
    formatted = TracebackException.from_exception(error)
    for each in _with_causes(formatted):
        each.stack[:] = [frame for frame in each.stack if not frame.filename.startswith(_OURS)]
    return "".join(formatted.format()).strip()


def _with_causes(error: TracebackException) -> Iterator[TracebackException]:
    left: list[TracebackException | None] = [error]
    while left:
        each = left.pop()
        if each is not None:
            yield each
            left += [each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or ())]
