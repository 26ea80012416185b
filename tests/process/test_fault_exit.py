"""A process that ends at any moment ends as untraced, and its ended calls are stored."""

from __future__ import annotations

import os
import re
import sqlite3
from typing import TYPE_CHECKING

import pytest
from children import run_each

if TYPE_CHECKING:
    from pathlib import Path

    from children import Ended

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")

# By description: how a program ends, and the number of traces that it stores.
MOMENTS: dict[str, tuple[str, int]] = {
    "falls off the end": ("print(said(ask()))", 1),
    "holds a stream": ("stream = ask(stream=True); print(said(stream, 1))", 1),
    "holds streams in modules": (
        (
            "import types; made = sys.modules['made'] = types.ModuleType('made'); "
            "made.streams = [ask(stream=True), ask(stream=True)]; next(made.streams[0])"
        ),
        2,
    ),
    "exits in a loop": ("for chunk in ask(stream=True): sys.exit(3)", 1),
    "exits with a message": ("ask(); sys.exit('that was all')", 1),
    "fails in a loop": ("for chunk in ask(stream=True): raise RuntimeError('in the loop')", 1),
    "fails by a call": ("ask(mock_response=ValueError('no answer'))", 1),
    # If MLflow's first export uses a CASE, which depends on the order of its writes, SQLAlchemy
    # runs code from a string. Python then forgets that Ctrl-C must end it by a signal.
    "is interrupted in a loop": (
        (
            "ask(); mlflow.flush_trace_async_logging()\n"
            "import sqlalchemy; sqlalchemy.case((sqlalchemy.true(), 1), else_=2).get_children()\n"
            "for chunk in ask(stream=True): os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"
        ),
        2,
    ),
    "is terminated in a loop": (
        "for chunk in ask(stream=True): os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
        0,
    ),
    "is terminated in order": (
        (
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
            "for chunk in ask(stream=True): os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)"
        ),
        1,
    ),
    "leaves at once": ("ask(); stream = ask(stream=True); next(stream); os._exit(4)", 0),
    "has a daemon in mid-call": (
        (
            "thread = threading.Thread(target=ask, kwargs={'model': 'waiting/x'}, daemon=True); "
            "thread.start(); arrived.wait(60); ask()"
        ),
        1,
    ),
    "has a daemon in mid-stream": (
        (
            "def read():\n for chunk in ask(stream=True): arrived.set(); never.wait()\n"
            "threading.Thread(target=read, daemon=True).start(); arrived.wait(60)"
        ),
        1,
    ),
    "has executors in mid-stream": (
        (
            "def read(): arrived.wait(60); print(said(ask(stream=True)))\n"
            "pool = ThreadPoolExecutor(2); pool.submit(read); pool.submit(read)\n"
            "arrived.set()"
        ),
        2,
    ),
    "closes a loop with a pending task": (
        (
            "loop = asyncio.new_event_loop()\n"
            "async def begin(): loop.create_task(aask(model='waiting/x')); await aarrived.wait()\n"
            "loop.run_until_complete(begin()); loop.close(); ask()"
        ),
        1,
    ),
    "closes a loop with an open stream": (
        (
            "loop = asyncio.new_event_loop()\n"
            "stream = loop.run_until_complete(aask(stream=True))\n"
            "loop.run_until_complete(stream.__anext__()); loop.close()"
        ),
        1,
    ),
    # LiteLLM itself logs nothing of calls that begin only now.
    "calls as it exits": ("atexit.register(lambda: print(said(ask()))); ask()", 1),
    "streams as it exits": (
        "atexit.register(lambda: print(said(ask(stream=True)))); said(ask(stream=True))",
        1,
    ),
    "reads a stream as objects die": (
        (
            "class Holder:\n"
            " def __init__(self): self.stream = ask(stream=True)\n"
            " def __del__(self): print(said(self.stream))\n"
            "holder = Holder(); next(holder.stream)"
        ),
        1,
    ),
    "drops a stream as objects die": (
        (
            "class Holder:\n"
            " def __init__(self): self.stream = ask(stream=True)\n"
            " def __del__(self): del self.stream\n"
            "holder = Holder(); next(holder.stream); holder.me = holder"
        ),
        1,
    ),
    "switches off as it exits": (
        (
            "stream = ask(stream=True); next(stream); "
            "atexit.register(lambda: mlflow.litellm.autolog(disable=True))"
        ),
        1,
    ),
}

# The message if a trace began too late to be stored.
OWN = "Traces of LiteLLM are incomplete"
SETUP = """
    import asyncio, atexit, os, signal, sys, threading, time
    import litellm, mlflow
    from concurrent.futures import ThreadPoolExecutor

    litellm.token_counter(model="gpt-4o-mini", text="hi")
    litellm.suppress_debug_info = True
    arrived, never, aarrived = threading.Event(), threading.Event(), asyncio.Event()

    class Waiting(litellm.CustomLLM):
        def completion(self, *_, **__):
            arrived.set()
            never.wait()

        async def acompletion(self, *_, **__):
            aarrived.set()
            await asyncio.Event().wait()

    litellm.custom_provider_map = [{"provider": "waiting", "custom_handler": Waiting()}]
    CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}],
            "mock_response": "hello there"}

    def asked(kwargs):
        known = {**CALL, **kwargs}
        if known["model"] != CALL["model"]:
            del known["mock_response"]
        return known

    def ask(**kwargs):
        return litellm.completion(**asked(kwargs))

    async def aask(**kwargs):
        return await litellm.acompletion(**asked(kwargs))

    def said(answer, most=99):
        if hasattr(answer, "choices"):
            return answer.choices[0].message.content
        return [c.choices[0].delta.content for c, _ in zip(answer, range(most))]
"""


def unlike(stderr: str) -> list[str]:
    """Return a process's stderr without logs, addresses and stack frames."""
    lines = [line.partition("task: <Task")[0] for line in stderr.splitlines()]
    said = [re.sub("0x[0-9a-f]+", "0x", line) for line in lines if line[:1].strip()]
    return [line for line in said if " INFO " not in line and not line.startswith(OWN)]


def summary(ended: Ended) -> tuple[int | None, str, list[str]]:
    """Return the values that must be equal for two processes."""
    return ended.code, ended.stdout, unlike(ended.stderr)


def stored(folder: Path) -> int:
    """Return the number of traces in MLflow's default store in a folder."""
    with sqlite3.connect(folder / "mlflow.db") as store:
        [count] = store.execute("SELECT count(*) FROM trace_info").fetchone()
    return int(count)


@pytest.mark.timeout(520)
def test_process_ends_at_any_moment_as_untraced(tmp_path: Path) -> None:
    """Exit code and output equal the untraced ones, in time, and each possible trace is stored."""
    untraced = {moment: code for moment, (code, _) in MOMENTS.items()}
    traced = {f"{name}, traced": f"mlflow.litellm.autolog()\n{untraced[name]}" for name in untraced}
    ended = run_each({**traced, **untraced}, SETUP, tmp_path)
    wrong = {}
    for number, (moment, (_, traces)) in enumerate(MOMENTS.items()):
        ours, untraced = (summary(ended[name]) for name in (f"{moment}, traced", moment))
        if ours != untraced or untraced[0] is None or stored(tmp_path / str(number)) != traces:
            wrong[moment] = (stored(tmp_path / str(number)), ours, untraced)
    assert wrong == {}
