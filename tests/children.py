"""Runs many short programs, each to its end, as children of one that has all imported: seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, NamedTuple

from processes import clean_environment
from scripts import provide_store

if TYPE_CHECKING:
    from pathlib import Path

# On a machine that has much else to do.
LONGEST_S = 500


class Ended(NamedTuple):
    """
    How a program ended.

    Attributes:
        code: Its exit code, negative by a signal, None where it hung.
        stdout: What it printed.
        stderr: What else it said.
        seconds: How long it ran.
    """

    code: int | None
    stdout: str
    stderr: str
    seconds: float


def run_each(programs: dict[str, str], setup: str, folder: Path) -> dict[str, Ended]:
    """
    Run programs, each in a folder of its own, with MLflow's default store in it.

    Args:
        programs: Their code, by their names; the folders are numbered from 0.
        setup: What is run once before them. It must start no thread, which a child would lack.
        folder: Where the folders are made.
    """
    code = SCRIPT.replace("SETUP", dedent(setup)).replace("PROGRAMS", repr(json.dumps(programs)))
    provide_store(folder)
    script = folder / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return {name: Ended(*each) for name, each in told.items()}


SCRIPT = """
import gc, json, os, pathlib, shutil, signal, sys, time, warnings

SETUP
warnings.simplefilter("ignore")
# What is there by now is not walked through, nor copied, by each child as it ends.
gc.collect()
gc.freeze()
AT_ONCE = 8
LONGEST_S = 120


def begin(folder):
    folder.mkdir()
    shutil.copy("mlflow.db", folder)
    os.chdir(folder)
    for file, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY), number)


def start(name):
    folder = pathlib.Path(str(list(programs).index(name))).absolute()
    pid = os.fork()
    if pid == 0:
        begin(folder)
    running[pid] = name, folder, time.monotonic()
    return pid == 0


def end(pid, name, folder, since):
    seconds = time.monotonic() - since
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done and seconds < LONGEST_S:
        return
    if not done:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    del running[pid]
    code = os.waitstatus_to_exitcode(status) if done else None
    said = [(folder / file).read_text() for file in ("stdout", "stderr")]
    results[name] = [code, *said, seconds]


results, running, programs = {}, {}, json.loads(PROGRAMS)
left = list(programs)
while left or running:
    if left and len(running) < AT_ONCE:
        name = left.pop(0)
        if start(name):
            break
    for pid, about in list(running.items()):
        end(pid, *about)
    time.sleep(0.01)
else:
    print(json.dumps(results))
    sys.exit()
# The child goes on to the end of the script, and leaves Python as any program does.
exec(programs[name])
"""
