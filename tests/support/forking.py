"""
Forks a child for each program requested on standard input, and prints the result of each.

A line is the path of a folder, with a ``script.py`` and maybe an ``environment.json`` for its run.
The child's output goes to files beside them.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

# The time limit of the longest test, on a busy machine.
LONGEST_S = 300.0
LOOK_S = 0.01

_running: dict[int, tuple[str, float]] = {}


def next_program() -> Any:
    """Return, in each child, the program to run; the parent exits at the end of its input."""
    # Freed of garbage and frozen, the present objects are not walked or copied by each child.
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1, "a child would lack the threads that the set-up started"
    _tell("ready")
    # Unbuffered, so that waiting lines are seen.
    with open(0, "rb", buffering=0, closefd=False) as asked:
        while True:
            waiting, *_ = select.select([asked], [], [], LOOK_S if _running else None)
            folder = asked.readline().decode().strip() if waiting else None
            if folder == "":
                os._exit(0)
            if folder and _fork(folder):
                return _begin(Path(folder))
            for pid in list(_running):
                _end(pid)


def _fork(folder: str) -> bool:
    pid = os.fork()
    if pid:
        _running[pid] = folder, time.monotonic()
    return pid == 0


def _begin(folder: Path) -> Any:
    os.chdir(folder)
    if (environment := Path("environment.json")).exists():
        os.environ.clear()
        os.environ.update(json.loads(environment.read_text()))
    for file, number in ((os.devnull, 0), ("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(file, os.O_CREAT | os.O_RDWR), number)
    return compile(Path("script.py").read_text(), "script.py", "exec")


def _end(pid: int) -> None:
    """Print the result of a child, if it has ended or has timed out."""
    folder, since = _running[pid]
    seconds = time.monotonic() - since
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done and seconds < LONGEST_S:
        return
    if not done:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    del _running[pid]
    code = os.waitstatus_to_exitcode(status) if done else None
    _tell([folder, code, seconds])


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
