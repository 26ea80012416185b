"""An exception of the user's signal handler or other thread inside tracing reaches the caller."""

from __future__ import annotations

import ctypes
import dis
import functools
import json
import queue
import signal
import sqlite3
import sys
import threading
import zlib
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NoReturn

import litellm
import mlflow
import pydantic
import pytest
from callers import MODEL, user
from children import succeed
from mlflow.exceptions import MlflowException

from mlflow_litellm import health
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from traces import Traces

needs_signals = pytest.mark.skipif(
    not hasattr(signal, "SIGUSR1"), reason="Windows has no such signals"
)
USR1 = getattr(signal, "SIGUSR1", 0)


class TimeLimitError(Exception):
    """The exception with which a job runner ends a job."""


@pytest.fixture(autouse=True)
def _handlers_put_back(production: None) -> Iterator[None]:
    """Swallow faults, as for users, and restore the signal handlers after the test."""
    before = signal.getsignal(USR1) if USR1 else None
    yield
    if USR1:
        signal.signal(USR1, before)


def limit(*_: Any) -> NoReturn:
    """Handle a signal."""
    raise TimeLimitError


def limit_without_arguments(signum: Any, frame: Any) -> NoReturn:
    """Handle a signal, and delete the handler's arguments."""
    signum = frame = None
    limit(signum, frame)


def limit_after_reset(signum: int, frame: Any) -> NoReturn:
    """Handle a signal for the last time."""
    signal.signal(signum, signal.SIG_DFL)
    raise TimeLimitError(frame)


class Limit:
    """An object that handles signals."""

    def __call__(self, signum: int, frame: Any) -> NoReturn:
        limit()

    def method(self, signum: int, frame: Any) -> NoReturn:
        """Handle a signal in a called function."""
        limit()


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls another."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


HANDLERS: dict[str, Callable[..., Any]] = {
    "function": limit,
    "lambda": lambda signum, frame: limit(),
    "method": Limit().method,
    "object": Limit(),
    "partial": functools.partial(limit_without_arguments),
    "partial with an argument": functools.partial(lambda _, signum, frame: limit(), 1),
    "decorated": wrapped(limit),
    "without its arguments": limit_without_arguments,
    "no longer a handler": limit_after_reset,
}


@needs_signals
@pytest.mark.parametrize("name", HANDLERS)
def test_exception_of_any_handler_is_the_users(name: str) -> None:
    """The exception of a handler reaches the caller, also if an inner function raises it."""
    signal.signal(USR1, HANDLERS[name])
    with pytest.raises(TimeLimitError), guard("being interrupted"):
        signal.raise_signal(USR1)


@needs_signals
@pytest.mark.parametrize("kind", [TimeoutError, ValueError, RuntimeError, Exception])
def test_exception_of_a_handler_is_the_users_whatever_its_type(kind: type[Exception]) -> None:
    """The exception reaches the caller for any type, also one that Python itself raises."""

    def handle(*_: Any) -> NoReturn:
        raise kind

    signal.signal(USR1, handle)
    with pytest.raises(kind), guard("being interrupted"):
        signal.raise_signal(USR1)


@needs_signals
def test_interruption_that_was_caught_and_raised_as_another_is_the_users() -> None:
    """A translated interruption reaches the caller as the original, with its original context."""

    def translating() -> NoReturn:
        try:
            signal.raise_signal(USR1)
        except Exception as error:
            msg = "translated"
            raise MlflowException(msg) from error

    signal.signal(USR1, limit)
    with pytest.raises(TimeLimitError) as raised, guard("being interrupted"):
        translating()
    assert raised.value.__context__ is None


@pytest.mark.parametrize("kind", [TimeLimitError, TimeoutError])
def test_exception_that_another_thread_has_raised_here_is_the_users(kind: type[Exception]) -> None:
    """An exception that another thread sets, as for time limits, reaches the caller."""
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    me = ctypes.c_ulong(threading.get_ident())

    working = [False]

    def interrupt() -> None:
        while not working[0]:
            pass
        raise_in(me, ctypes.py_object(kind))

    def work() -> None:
        working[0] = True
        while True:
            pass

    threading.Thread(target=interrupt).start()

    with pytest.raises(kind), guard("being interrupted"):
        work()


def raising_while_handling(error: Exception) -> None:
    """Raise another error inside a guard, while the call's exception is handled."""
    with guard("recording a failure"):
        raise KeyError(str(error))


@needs_signals
def test_error_of_tracing_while_an_interruption_is_handled_is_swallowed() -> None:
    """An error while an interrupted call is recorded is swallowed."""
    signal.signal(USR1, limit)
    try:
        signal.raise_signal(USR1)
    except TimeLimitError as error:
        raising_while_handling(error)


class Refusing:
    """A user's object that cannot be read."""

    def __str__(self) -> str:
        raise TimeLimitError

    def __getattr__(self, name: str) -> Any:
        raise TimeLimitError


class Model(pydantic.BaseModel):
    """A model."""

    number: int


def throwing() -> None:
    """Raise a new exception in a generator."""
    generator = (each for each in range(3))
    next(generator)
    generator.throw(TimeLimitError())


def reading_frames(number: int = 0, frame: Any = None) -> None:
    """Fail with a variable for a frame, which was not interrupted."""
    if frame is None:
        reading_frames(1, pytest)
    raise KeyError(number)


def recursing(depth: int) -> int:
    """Recurse until Python raises RecursionError."""
    return recursing(depth + 1) + 1


FAULTS: dict[str, Callable[[], Any]] = {
    "number": lambda: int("x"),
    "JSON": lambda: json.loads("{"),
    "key": lambda: {}["a"],
    "text": b"\xff".decode,
    "zlib": lambda: zlib.decompress(b"x"),
    "database": lambda: sqlite3.connect(":memory:").execute("nonsense"),
    "model": lambda: Model(number="x"),  # type: ignore[arg-type]
    "LiteLLM": lambda: litellm.get_llm_provider("unknown"),
    "str": lambda: str(Refusing()),
    "attribute": lambda: Refusing().attribute,
    "generator": throwing,
    "callback": lambda: sorted([1, 2], key=lambda _: limit()),
    "frames": reading_frames,
    "recursion": lambda: recursing(1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_error_of_tracing_stays_away_from_the_caller(name: str) -> None:
    """An error of tracing is swallowed, raised in Python or in C."""
    before = sum(health().faults.values())
    with guard("failing"):
        FAULTS[name]()
    assert sum(health().faults.values()) == before + 1


def interrupt_in(name: str, *, is_done: bool) -> None:
    """Send a signal as the next condition is locked or unlocked, before or after the act."""
    code = getattr(threading.Condition, name).__code__
    returning = dis.opmap["RETURN_VALUE"]

    def trace(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes = True
        returns = event == "opcode" and code.co_code[frame.f_lasti] == returning
        if returns if is_done else event == "call":
            sys.settrace(None)
            signal.raise_signal(USR1)
        return trace

    sys.settrace(trace)


# An exception then leaves the lock locked.
interrupt_locked = {
    "locking": functools.partial(interrupt_in, "__enter__", is_done=True),
    "unlocking": functools.partial(interrupt_in, "__exit__", is_done=False),
}


def ends_in_a_thread(use: Callable[[], Any]) -> bool:
    """Return whether a use of a lock ends: it would wait for ever for one that is left locked."""
    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(20)
    return not thread.is_alive()


LOCKED: dict[str, Callable[[], Callable[[], Any]]] = {
    "event": lambda: threading.Event().set,
    "future": lambda: Future().running,
    "queue": lambda: functools.partial(queue.Queue().put, 1),
    "semaphore": lambda: threading.Semaphore().release,
}


@needs_signals
@pytest.mark.parametrize("moment", interrupt_locked)
@pytest.mark.parametrize("kind", LOCKED)
@pytest.mark.parametrize("error", [TimeLimitError, KeyboardInterrupt])
def test_interruption_leaves_no_lock_locked(
    error: type[BaseException], kind: str, moment: str
) -> None:
    """A lock of MLflow's that an interruption left locked is released: nobody waits for ever."""

    def handle(*_: Any) -> NoReturn:
        raise error

    use = LOCKED[kind]()
    signal.signal(USR1, handle)
    with pytest.raises(error), guard("being interrupted"):
        interrupt_locked[moment]()
        use()
    assert ends_in_a_thread(use)


@needs_signals
def test_lock_that_another_thread_holds_stays_locked() -> None:
    """An interruption that arrives before the lock is taken does not unlock it for another."""
    condition = threading.Condition(threading.Lock())
    held, interrupted, left = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        with condition:
            held.set()
            interrupted.wait(20)
        # Not if the lock was unlocked meanwhile.
        left.set()

    def handle(*_: Any) -> NoReturn:
        interrupted.set()
        raise TimeLimitError

    signal.signal(USR1, handle)
    threading.Thread(target=hold).start()
    held.wait(20)
    with pytest.raises(TimeLimitError), guard("being interrupted"):
        interrupt_in("__enter__", is_done=False)
        with condition:
            pass
    assert left.wait(20)
    assert ends_in_a_thread(condition.acquire)


@needs_signals
@pytest.mark.parametrize("moment", interrupt_locked)
def test_call_after_an_interrupted_one_does_not_hang(moment: str, tracing: Traces) -> None:
    """MLflow locks a condition as a span ends, which an interruption would leave locked."""
    call = {"model": MODEL, "messages": user("hello"), "mock_response": "hi"}
    signal.signal(USR1, limit)
    litellm.completion(**call)
    mlflow.tracing.configure(span_processors=[lambda _: interrupt_locked[moment]()])
    try:
        with pytest.raises(TimeLimitError):
            litellm.completion(**call)
    finally:
        mlflow.tracing.configure(span_processors=[])
    assert ends_in_a_thread(functools.partial(litellm.completion, **call))


class Locking(litellm.CustomLLM):
    """A provider that is interrupted as it locks or unlocks a condition."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        super().__init__()
        self._interrupt = interrupt
        self.semaphore = threading.Semaphore()

    def completion(self, *_: Any, **__: Any) -> NoReturn:
        """Use a semaphore, as LiteLLM does when it submits to its threads."""
        self._interrupt()
        self.semaphore.release()
        pytest.fail("was not interrupted")


@needs_signals
@pytest.mark.parametrize("moment", interrupt_locked)
def test_interruption_in_litellm_leaves_no_lock_locked(
    moment: str, tracing: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock of LiteLLM's is released as well: a call that is traced is interrupted more often."""
    provider = Locking(interrupt_locked[moment])
    custom = [{"provider": "locking", "custom_handler": provider}]
    monkeypatch.setattr(litellm, "custom_provider_map", custom)
    signal.signal(USR1, limit)
    with pytest.raises((TimeLimitError, litellm.APIConnectionError)):
        litellm.completion("locking/model", user("hello"))
    assert ends_in_a_thread(provider.semaphore.release)


# Sends a signal at each line of a call in this package, so that its handler raises when Python next
# checks for signals. A later line of LiteLLM may swallow the exception, as it does untraced.
AT_EVERY_LINE = """
    import contextvars, ctypes, functools, gc, json, os, signal, sys
    import litellm, mlflow
    from mlflow.entities import LiveSpan
    from passed_lines import passed_lines

    gc.disable()  # Lines that pass as garbage is collected are nobody's.

    class TimeLimit(Exception):
        pass

    fired, ended, dropped = [], [], []
    # Python drops what arrives in a finalizer.
    sys.unraisablehook = dropped.append

    def handle(signum, frame):
        fired.append(frame.f_globals.get("__name__", "").partition(".")[0])
        raise TimeLimit("time is up")

    class Sender:
        # Not a call, after which Python would look for signals here.
        __neg__ = staticmethod(functools.partial(ctypes.PyDLL(None)["raise"], signal.SIGUSR1))

    signal.signal(signal.SIGUSR1, handle)
    sender = Sender()
    mlflow.litellm.autolog()
    mlflow.tracing.configure(span_processors=[ended.append])

    def is_ours(frame):
        named = frame.f_globals.get("__name__", "").partition(".")[0]
        # Not the hook of imports: Python's own locks of modules bear no interruption.
        return named == "mlflow_litellm" and not frame.f_code.co_filename.endswith("_takeover.py")

    def lines(way, at=None):
        try:
            return passed_lines(way, is_ours, at, sender)
        except Exception as error:
            return error

    def interrupted(way, at):
        # Python may look for signals only after a call that failed.
        try:
            return lines(way, at)
        except TimeLimit as error:
            return error

    def outcome(way):
        try:
            return way()
        except litellm.RateLimitError:
            return None

    MESSAGES = [{"role": "user", "content": "hi"}]
    CALL = {"model": "gpt-4o-mini", "messages": MESSAGES, "mock_response": "hello"}
    # An exception that is raised again and again has a longer traceback each time.
    FAILURE = functools.partial(litellm.RateLimitError, "no", "openai", "gpt-4o-mini")
    ROUTER = litellm.Router([{"model_name": "m", "litellm_params": CALL}], num_retries=0)
    WAYS = {
        "sync": lambda: litellm.completion(**CALL),
        "stream": lambda: list(litellm.completion(**CALL, stream=True)),
        "failure": lambda: outcome(
            lambda: litellm.completion(**{**CALL, "mock_response": FAILURE()})
        ),
        "router": lambda: ROUTER.completion(model="m", messages=MESSAGES),
    }
    LEFT = ("wrapper.py", "context.py", "span.py", "stream.py")
    SPANS = {"router": 2}
    wrong, tried = [], set()
    for name, way in WAYS.items():
        lines(way), lines(way)  # Later calls pass fewer lines.
        for file, line in dict.fromkeys(lines(way)):
            at = file, line, name == "stream" and file.endswith(LEFT)
            if at not in tried:
                tried.add(at)
                del fired[:], ended[:], dropped[:]
                context = contextvars.copy_context()
                told = context.run(interrupted, way, ((file, line), 1))
                by_others = fired == ["litellm"] or dropped
                current = context.run(mlflow.get_current_active_span)
                del fired[:], ended[:]
                context.run(way)
                is_through = isinstance(told, TimeLimit) or by_others
                following = len({span.span_id for span in ended})
                if not is_through or current or following != SPANS.get(name, 1):
                    wrong.append((name, os.path.basename(file), line, repr(told)[:80], following))
    is_open = [o for o in gc.get_objects() if type(o) is LiveSpan and o.end_time_ns is None]
    print(json.dumps([len(tried), wrong, len(is_open)]), flush=True)
    os._exit(0)  # Thousands of traces would have to be stored.
"""


@needs_signals
@pytest.mark.timeout(300)
def test_signal_at_any_line_of_the_package_reaches_the_caller(tmp_path: Path) -> None:
    """A signal at any line leaves no span current: the next call in the context is traced."""
    # Nothing is sent, as the program ends earlier.
    nowhere = {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "600000",
        "MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE": "100000",
    }
    tried, wrong, still_open = json.loads(succeed(AT_EVERY_LINE, tmp_path, **nowhere))
    assert wrong == []
    # No program has a reference to a span that MLflow was about to return.
    assert still_open < tried / 100
    assert tried > 600
