"""
Separates exceptions that interrupt the user's work from errors of tracing.

A job runner ends a job with an exception: a signal handler raises it, or Python raises it in
another thread. The exception can arrive between any two lines of the thread, also within this
package or MLflow. It must reach the user in every case.
"""

from __future__ import annotations

import contextlib
import dis
import logging
import signal
import sys
from itertools import pairwise
from threading import Condition, RLock
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

# Python checks for interruptions at these instructions, which raise no errors of their own.
_ONLY_INTERRUPTED = frozenset({"JUMP_ABSOLUTE", "JUMP_BACKWARD"})
# ``inspect.CO_VARARGS``
_TAKES_MORE = 0x04
# Packages whose calls into C raise only their own, Python's or each other's exceptions.
_KNOWN = sys.stdlib_module_names | {
    "google", "httpx", "litellm", "mlflow", "mlflow_litellm", "openai", "opentelemetry",
    "pydantic", "pydantic_core", "wrapt",
}  # fmt: skip
# MLflow has a signal handler, which limits the time of an evaluation.
_WITHOUT_HANDLERS = _KNOWN - {"mlflow"}
# Loggers of code that catches an exception, logs it, and continues. A logging filter runs while
# the exception is handled.
_LOGGERS = (
    "mlflow.entities.span",
    "mlflow.tracing.fluent",
    "mlflow.tracing.utils",
    "mlflow.tracing.utils.processor",
    "opentelemetry.context",
)
_SWALLOWING = frozenset({"contextlib", "functools", "mlflow", "opentelemetry"})
# Python's conditions, events, queues and semaphores lock by these two functions. An exception that
# arrives in one of them leaves the lock locked, as ``with`` counts as not entered, or as left.
_LOCKING = frozenset({Condition.__enter__.__code__, Condition.__exit__.__code__})
_REENTRANT = type(RLock())
# Longer than a thread that runs holds such a lock.
_HELD_S = 1.0


def let_through(error: BaseException) -> None:
    """
    Raise the interruption of this thread, if `error` is one or was caused by one.

    Call this first in each handler that catches :class:`Exception`. If this returns, `error` is
    an error of the code in the ``try`` block.
    """
    interruption = interruption_in(error)
    if interruption is not None:
        release_locks(interruption)
        pass_on(interruption)


class errors_ignored:  # noqa: N801 - replaces ``contextlib.suppress(Exception)``.
    """
    Ignore errors of the block, except interruptions of this thread.

    Args:
        kinds: The types of the errors. Default: :class:`Exception`.
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
    """Raise an interruption again, with its original ``__context__``."""
    context = interruption.__context__
    try:
        raise interruption
    finally:
        interruption.__context__ = context


def release_locks(error: BaseException) -> None:
    """
    Release the locks of conditions that an interruption left locked, for ever.

    MLflow locks a condition as each span ends, and LiteLLM as it submits to its threads: all later
    calls would hang. Waits up to a second for another thread that holds a lock.

    Args:
        error: The interruption, or an error that was raised in its place.
    """
    for each in _caused_by(error):
        for entry in _entries(each.__traceback__):
            if entry.tb_frame.f_code in _LOCKING:
                _release(entry.tb_frame.f_locals["self"])


def _release(condition: Condition) -> None:
    # A re-entrant lock knows its thread: if this thread has it, it was left locked.
    if not isinstance(getattr(condition.acquire, "__self__", None), _REENTRANT):
        condition.acquire(timeout=_HELD_S)
    # Left locked, or just acquired. Else another thread has released it by now.
    with contextlib.suppress(RuntimeError):
        condition.release()


def interruption_in(error: BaseException) -> BaseException | None:
    """Return the interruption of this thread that `error` is or was caused by, or None."""
    try:
        return next((each for each in _caused_by(error) if _is_interruption(each)), None)
    except Exception:  # noqa: BLE001 - An error that cannot be read is not an interruption.
        return None


def _caused_by(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and the errors that were handled below the same frames."""
    frames: set[FrameType] = set()
    at: BaseException | None = error
    for _ in range(100):
        if at is None:
            return
        entries = list(_entries(at.__traceback__))
        # An error that is handled further up the stack, such as the call's own, is not a cause.
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
    # A handler that has deleted its arguments. Reading all handlers takes about 500 us.
    return bool(able) and not _handlers().isdisjoint(frame.f_code for frame, _ in able)


def _may_handle(frame: FrameType) -> bool:
    """Return whether a frame can be a handler's: two arguments, and not in a known library."""
    code = frame.f_code
    takes_two = code.co_argcount > 1 or code.co_flags & _TAKES_MORE
    return bool(takes_two) and _package_of(frame) not in _WITHOUT_HANDLERS


def _handles_signal(frame: FrameType, interrupted: FrameType) -> bool:
    """Return whether a frame's arguments are a signal number and the interrupted frame."""
    code, values = frame.f_code, frame.f_locals
    arguments = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & _TAKES_MORE:
        name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        arguments += values.get(name) or ()
    return any(isinstance(a, int) and b is interrupted for a, b in pairwise(arguments))


def _handlers() -> set[Any]:
    """Return the code of the functions that handle signals."""
    codes = (_code(signal.getsignal(each)) for each in signal.valid_signals())
    return {code for code in codes if code is not None}


def _code(handler: object) -> Any:
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
    """Return whether another thread or code in C raised an error, and not a statement."""
    code, at = last.tb_frame.f_code, last.tb_lasti
    if at < 0:
        return True
    name, argument = dis.opname[code.co_code[at]], code.co_code[at + 1]
    # A RESUME that is not a function's first can raise an error thrown into a generator.
    if name in _ONLY_INTERRUPTED or (name == "RESUME" and not argument & 3):
        return True
    # The C function of a call may have raised the error.
    return (
        name.startswith("CALL")
        and _package_of(last.tb_frame) in _KNOWN
        and _package(type(error).__module__) not in _KNOWN
    )


def _package_of(frame: FrameType) -> str:
    return _package(frame.f_globals.get("__name__"))


def _package(module: object) -> str:
    return str(module).partition(".")[0]


class _LetThrough(logging.Filter):
    """Raises an interruption of the user's work that MLflow has caught and is about to log."""

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
    """Let interruptions that MLflow catches while it traces a call reach the caller."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_let_through)


def detach() -> None:
    """Remove the filter from MLflow's loggers."""
    for name in _LOGGERS:
        logging.getLogger(name).removeFilter(_let_through)
