"""Runs one program in a separate process, and records the values that it saw."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import json
import logging
import os
import random
import re
import signal
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import litellm

import mlflow_litellm
from differential.allowances import CONTEXT_VARIABLES, OPEN_FILES, THREADS
from differential.describing import Describer

if TYPE_CHECKING:
    from collections.abc import Iterator

# Time limit for LiteLLM's threads, which write its logs after a call.
SETTLING_S = 1.5
CALLBACKS = [
    "callbacks", "input_callback", "success_callback", "failure_callback",
    "_async_success_callback", "_async_failure_callback", "service_callback",
]  # fmt: skip


class See:
    """The function that a program calls with the values that it sees."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.describe = Describer()
        self._counted: dict[str, int] = {}

    def __call__(self, value: Any, label: str = "") -> Any:
        """Record a value and its identity, and return it."""
        line: dict[str, Any] = {"label": label, "value": self.describe(value)}
        if isinstance(line["value"], dict):
            line["number"] = self.describe.identity(value)
        self.lines.append(line)
        return value

    def function(self, function: Any, label: str = "") -> None:
        """Record the properties of a function."""
        self.lines.append({"label": label, "function": self.describe.function(function)})

    def unordered(self, values: Any, label: str = "") -> None:
        """Record values that come from several threads in any order."""
        described = sorted(json.dumps(self.describe(value)) for value in values)
        self.lines.append({"label": label, "values": described})

    @contextlib.contextmanager
    def step(self, label: str) -> Iterator[None]:
        """Record the exception of a block, and continue."""
        try:
            yield
        except BaseException as error:
            self.lines.append({"label": label, "raised": self.describe(error)})

    @staticmethod
    def until(found: Any, seconds: float = SETTLING_S) -> Any:
        """Wait for an effect of another thread."""
        end = time.monotonic() + seconds
        while not found() and time.monotonic() < end:
            time.sleep(0.005)
        return found()


class Logs(logging.Handler):
    """Keeps the records of all loggers."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(f"{record.levelname} {record.name}: {record.getMessage()}")


def play(program: Any) -> None:
    """Run a program, write its values to ``transcript.json``, and end the process."""
    random.seed(0)
    see, logs = See(), Logs()
    logging.getLogger().addHandler(logs)
    before = _surroundings(see)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        _run(program, see)
        del program
        _settle(see)
    messages = [f"{w.category.__name__}: {see.describe.text(str(w.message))}" for w in warned]
    transcript = {
        "steps": see.lines,
        # Those of other threads and of the garbage collector come in any order.
        "warned": sorted(messages),
        "logged": [see.describe.text(record) for record in logs.records],
        "left": _left(see),
        "changed": {key: [before[key], now] for key, now in _surroundings(see).items()},
        "health": _health(),
    }
    sys.stdout.flush()
    sys.stderr.flush()
    for stream in ("stdout", "stderr"):
        transcript[stream] = see.describe.text(Path(stream).read_text())
    Path("transcript.json").write_text(json.dumps(transcript, default=repr))
    os._exit(0)


def _run(program: Any, see: See) -> None:
    try:
        if inspect.iscoroutinefunction(program):
            asyncio.run(_main(program, see))
        else:
            program(see)
    except BaseException:
        traceback.print_exc()


async def _main(program: Any, see: See) -> None:
    loop = asyncio.get_running_loop()
    unhandled: list[str] = []
    loop.set_exception_handler(lambda _, told: unhandled.append(str(told.get("message"))))
    await program(see)
    names = sorted(map(_task, asyncio.all_tasks()))
    # The end time of a task of LiteLLM's logging varies.
    own = [name for name in names if "logging" not in name.lower()]
    see.lines.append({"label": "tasks", "value": own})
    gc.collect()
    await asyncio.sleep(0)
    see.lines.append({"label": "unhandled", "value": unhandled})
    see.lines.append({"label": "context", "value": _context()})


def _task(task: asyncio.Task[Any]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", ""))


def _context() -> list[str]:
    # LiteLLM's streams set empty ids in the context that happens to delete them.
    names = {variable.name for variable, value in contextvars.copy_context().items() if value}
    return sorted(names - CONTEXT_VARIABLES)


def _settle(see: See) -> None:
    """Wait until unreferenced objects are deleted, as far as possible."""
    gc.collect()
    end, pause = time.monotonic() + SETTLING_S, 0.02
    while see.describe.alive() and time.monotonic() < end:
        time.sleep(pause)
        # A garbage collection takes about 15 ms of CPU time.
        gc.collect()
        pause *= 1.5


def _left(see: See) -> dict[str, Any]:
    names = {re.sub(r"\d+", "N", thread.name) for thread in threading.enumerate()}
    kinds = [re.sub(r"\[\d+\]", "", see.describe.text(file)) for file in _open_files()]
    return {
        "objects": see.describe.alive(),
        "threads": sorted(name for name in names if not name.startswith(THREADS)),
        "files": sorted(k for k in kinds if not any(part in k for part in OPEN_FILES)),
        "context": _context(),
    }


def _open_files() -> Iterator[str]:
    for file in Path("/proc/self/fd").iterdir():
        # The handle that lists the folder is closed by now.
        with contextlib.suppress(OSError):
            yield str(file.readlink())


def _surroundings(see: See) -> dict[str, Any]:
    return {
        "callbacks": {name: see.describe(getattr(litellm, name, None)) for name in CALLBACKS},
        "environment": sorted(os.environ),
        "signals": [see.describe(signal.getsignal(number)) for number in (2, 10, 14, 15)],
        "hooks": [sys.excepthook.__name__, threading.excepthook.__name__],
        "filters": len(warnings.filters),
        "cwd": see.describe.text(str(Path.cwd())),
        "random": random.getrandbits(32),
        "gc": gc.isenabled(),
        "recursion": sys.getrecursionlimit(),
    }


def _health() -> dict[str, Any]:
    health = mlflow_litellm.health()
    return {"calls": health.calls, "faults": health.faults}
