"""Runs programs as children of a process with all imports done, which saves seconds each."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, NamedTuple

import scripts
from processes import BESIDE, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

AT_ONCE = 8
# Imports of a first call, without their names: programs import the names that they use.
IMPORTED = [
    "litellm",
    "litellm.proxy._types",
    "mlflow.litellm",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
]
# Without the command git, importing its package fails, and MLflow goes on without it.
if shutil.which("git"):
    IMPORTED.append("git")
CODE = f"""
for name in {IMPORTED}:
    __import__(name)
# Newer versions of LiteLLM import Router's methods when the first one is asked for.
__import__("litellm").Router.completion
__import__("sqlalchemy.orm").orm.configure_mappers()
del name
{{setup}}
from forking import next_program
exec(next_program())
"""


class Ended(NamedTuple):
    """
    The result of a program.

    Attributes:
        code: Its exit code, negative for a signal, None if it hung.
        stdout: Its standard output.
        stderr: Its standard error.
        seconds: Its run time.
    """

    code: int | None
    stdout: str
    stderr: str
    seconds: float


class Parent:
    """
    A process that runs a set-up, and then programs as its children, which inherit its names.

    Args:
        setup: Code that runs once, after the imports. It must start no thread: a child would lack
            it.
        folder: The working folder.
    """

    def __init__(self, setup: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE.format(setup=dedent(setup))],
            cwd=folder,
            env=clean_environment(**BESIDE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._told() == "ready"

    def begin(self, code: str, folder: Path, **environment: str) -> None:
        """Start a program in a folder with MLflow's default store, maybe in another environment."""
        assert self._process.stdin
        scripts.provide_store(folder)
        (folder / "script.py").write_text(dedent(code))
        if environment:
            (folder / "environment.json").write_text(json.dumps(environment))
        self._process.stdin.write(f"{folder}\n")
        self._process.stdin.flush()

    def next_ended(self) -> tuple[Path, Ended]:
        """Wait for a program to end, and return its folder and its result."""
        name, code, seconds = self._told()
        folder = Path(name)
        said = [(folder / file).read_text() for file in ("stdout", "stderr")]
        return folder, Ended(code, *said, seconds)

    def stop(self) -> None:
        """Stop the process."""
        self._process.communicate()

    def _told(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())


@functools.cache
def _warm() -> Parent:
    """Return the process that all tests share, and that ends with them."""
    return Parent("", Path(tempfile.gettempdir()))


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as `scripts.run` does, for scripts that do not depend on a fresh import."""
    parent = _warm()
    parent.begin(code, folder, **scripts.as_users_have_it(**environment))
    while True:
        where, ended = parent.next_ended()
        # An interrupted test has left one behind.
        if where == folder:
            return subprocess.CompletedProcess([], ended.code, ended.stdout, ended.stderr)


def succeed(code: str, folder: Path, **environment: str) -> str:
    """Run a script that must succeed, and return its standard output."""
    return scripts.stdout_of(run(code, folder, **environment))


def run_each(programs: Mapping[str, str], setup: str, folder: Path) -> dict[str, Ended]:
    """
    Run programs, some at once, each in its own folder with MLflow's default store.

    Args:
        programs: Their code, by their names; the folders are numbered from 0.
        setup: Code that runs once before them; they inherit its names.
        folder: The parent of their folders.
    """
    parent = Parent(f"{dedent(setup)}\nimport warnings\nwarnings.simplefilter('ignore')", folder)
    names = {folder / str(number): name for number, name in enumerate(programs)}
    left, ended = list(names), {}
    while len(ended) < len(names):
        while left and len(names) - len(left) - len(ended) < AT_ONCE:
            place = left.pop(0)
            place.mkdir()
            parent.begin(programs[names[place]], place)
        place, done = parent.next_ended()
        ended[names[place]] = done
    parent.stop()
    return ended
