"""
Tells an exception that interrupts the user's work from an error of tracing.

A job runner ends a job by an exception: it raises one in the handler of a signal, or has Python
raise one in another thread. The exception arrives between any two lines of the thread, this
package's and MLflow's among them, and is the user's wherever it arrives.
"""

from __future__ import annotations

import dis
import logging
import signal
import sys
from itertools import pairwise
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

# Instructions that raise nothing of their own: only there does Python look for interruptions.
_ONLY_INTERRUPTED = frozenset({"JUMP_ABSOLUTE", "JUMP_BACKWARD"})
# ``inspect.CO_VARARGS``
_TAKES_MORE = 0x04
# Packages whose calls into C raise their own, Python's or each other's exceptions, and no others.
_KNOWN = sys.stdlib_module_names | {
    "google", "httpx", "litellm", "mlflow", "mlflow_litellm", "openai", "opentelemetry",
    "pydantic", "pydantic_core", "wrapt",
}  # fmt: skip
# MLflow has a handler, which limits the time of what it evaluates.
_WITHOUT_HANDLERS = _KNOWN - {"mlflow"}
# These log what they catch, and go on. A filter is called while they handle it.
_LOGGERS = (
    "mlflow.entities.span",
    "mlflow.tracing.fluent",
    "mlflow.tracing.utils",
    "mlflow.tracing.utils.processor",
    "opentelemetry.context",
)
_SWALLOWING = frozenset({"contextlib", "functools", "mlflow", "opentelemetry"})


def let_through(error: BaseException) -> None:
    """
    Raise what interrupted this thread, if `error` is that or was raised because of it.

    Call it first wherever an :class:`Exception` is caught: what it does not raise is an error of
    the code within.
    """
    found = interruption_in(error)
    if found is not None:
        pass_on(found)


class errors_ignored:  # noqa: N801 - reads as ``contextlib.suppress(Exception)``, whose place it takes.
    """
    Ignore errors of the block, but for what interrupts this thread.

    Args:
        kinds: The types of errors; each :class:`Exception` unless given.
    """

    __slots__ = ("_kinds",)

    def __init__(self, *kinds: type[Exception]) -> None:
        self._kinds = kinds or (Exception,)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, self._kinds):
            return False
        let_through(error)
        return True


def pass_on(interruption: BaseException) -> NoReturn:
    """Raise it again, as the user raised it: that it was caught on its way is no part of it."""
    context = interruption.__context__
    try:
        raise interruption
    finally:
        interruption.__context__ = context


def interruption_in(error: BaseException) -> BaseException | None:
    """Return what interrupted this thread, if `error` is that or was raised because of it."""
    try:
        return next((each for each in _caused_by(error) if _is_interruption(each)), None)
    except Exception:  # noqa: BLE001 - An error that cannot be read is none of the user's.
        return None


def _caused_by(error: BaseException) -> Iterator[BaseException]:
    """Return an error, and those that were being handled below the same frames."""
    frames: set[FrameType] = set()
    at: BaseException | None = error
    for _ in range(100):
        if at is None:
            return
        entries = list(_entries(at.__traceback__))
        # Of an error that is handled further up, such as the call's own, this is not a part.
        if at is not error and not (entries and entries[0].tb_frame in frames):
            return
        yield at
        frames.update(entry.tb_frame for entry in entries)
        at = at.__cause__ or at.__context__


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_interruption(error: BaseException) -> bool:
    entries = list(_entries(error.__traceback__))
    pairs = pairwise(entry.tb_frame for entry in entries)
    able = [(frame, below) for below, frame in pairs if _may_handle(frame)]
    if any(_handles_signal(frame, below) for frame, below in able):
        return True
    if entries and _is_from_nowhere(error, entries[-1]):
        return True
    # A handler that has forgotten its arguments. Looking all up takes some 500 us.
    return bool(able) and not _handlers().isdisjoint(frame.f_code for frame, _ in able)


def _may_handle(frame: FrameType) -> bool:
    """Tell whether a frame may be a handler's: it takes two arguments, and is no library's."""
    code = frame.f_code
    takes_two = code.co_argcount > 1 or code.co_flags & _TAKES_MORE
    return bool(takes_two) and _package_of(frame) not in _WITHOUT_HANDLERS


def _handles_signal(frame: FrameType, interrupted: FrameType) -> bool:
    """Tell whether a frame was given a signal's number and the frame that it interrupts."""
    code, known = frame.f_code, frame.f_locals
    given = [known.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & _TAKES_MORE:
        name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        given += known.get(name) or ()
    return any(isinstance(a, int) and b is interrupted for a, b in pairwise(given))


def _handlers() -> set[Any]:
    """Return the code of the functions that handle signals."""
    found = (_code(signal.getsignal(each)) for each in signal.valid_signals())
    return {code for code in found if code is not None}


def _code(handler: Any) -> Any:
    for _ in range(10):
        if isinstance(handler, FunctionType):
            return handler.__code__
        if isinstance(handler, MethodType):
            handler = handler.__func__
        else:
            called = type(handler).__call__ if hasattr(type(handler), "__call__") else None  # noqa: B004
            handler = getattr(handler, "func", called)
    return None


def _is_from_nowhere(error: BaseException, last: TracebackType) -> bool:
    """Tell whether no statement raised an error: another thread or code in C did."""
    code, at = last.tb_frame.f_code, last.tb_lasti
    if at < 0:
        return True
    name, argument = dis.opname[code.co_code[at]], code.co_code[at + 1]
    # Elsewhere than where a function begins, an error may have been thrown into a generator.
    if name in _ONLY_INTERRUPTED or (name == "RESUME" and not argument & 3):
        return True
    # A call of a function in C, which may have raised it.
    return (
        name.startswith("CALL")
        and _package_of(last.tb_frame) in _KNOWN
        and _package(type(error).__module__) not in _KNOWN
    )


def _package_of(frame: FrameType) -> str:
    return _package(frame.f_globals.get("__name__"))


def _package(module: Any) -> str:
    return str(module).partition(".")[0]


class _LetThrough(logging.Filter):
    """Raises what MLflow caught and is about to log, if it interrupted the user's work."""

    def filter(self, _: logging.LogRecord) -> bool:
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and _is_swallowed_below_us(error):
            let_through(error)
        return True


def _is_swallowed_below_us(error: Exception) -> bool:
    frame: Any = error.__traceback__ and error.__traceback__.tb_frame
    is_within = False
    while frame is not None:
        package = _package_of(frame)
        if package not in _SWALLOWING:
            return is_within and package == "mlflow_litellm"
        is_within, frame = True, frame.f_back
    return False


_let_through = _LetThrough()


def attach() -> None:
    """Have what interrupts MLflow while it traces a call reach the caller."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_let_through)


def detach() -> None:
    """Leave MLflow's loggers as they were."""
    for name in _LOGGERS:
        logging.getLogger(name).removeFilter(_let_through)
