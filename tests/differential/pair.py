"""Two processes run the same programs, one with tracing on, and their differences are returned."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from children import Parent
from provider import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETUP = """
import os
os.environ["HF_HUB_OFFLINE"] = "1"
import mlflow
from differential import playing, warming
warming.import_all("{openai}", "{anthropic}")
{switch}
"""
SCRIPT = """
from differential.playing import play
from differential.programs import *
provide("{openai}", "{anthropic}", "{key}")
{source}
play(program)
"""


class Side:
    """A process that runs programs, and the provider that they use."""

    def __init__(self, folder: Path, *, is_traced: bool) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._provider = LoopbackProvider().__enter__()
        switch = "mlflow.litellm.autolog()" if is_traced else ""
        self._parent = Parent(self._script(SETUP, switch=switch), folder)

    def begin(self, source: str) -> None:
        """Begin a program."""
        number = next(self._numbers)
        self._place = self._folder / str(number)
        self._place.mkdir()
        self._requests = len(self._provider.requests)
        self._parent.begin(self._script(SCRIPT, source=source, key=f"k{number}"), self._place)

    def _script(self, script: str, **more: str) -> str:
        provider = self._provider
        return script.format(openai=provider.openai_base, anthropic=provider.anthropic_base, **more)

    def end(self) -> Any:
        """Wait for the program to end, and return the values that it and its provider recorded."""
        place, ended = self._parent.next_ended()
        assert place == self._place
        file = place / "transcript.json"
        if not file.exists():
            return {"ended": ended.code, "stderr": ended.stderr[-2000:], "health": {}}
        told = json.loads(file.read_text())
        shutil.rmtree(place)
        return {**told, "ended": ended.code, "requests": self._received()}

    def _received(self) -> list[Any]:
        # Lines of several threads come in any order.
        requests = self._provider.requests[self._requests :]
        return sorted(json.dumps([r.path, sorted(r.headers), r.body]) for r in requests)

    def stop(self) -> None:
        """End the process and the provider."""
        self._parent.stop()
        self._provider.__exit__(None, None, None)


class Pair:
    """Runs programs untraced and traced, at the same time."""

    def __init__(self, untraced: Side, traced: Side) -> None:
        self._sides = untraced, traced
        self.calls = 0

    def differences(self, source: str) -> list[str]:
        """
        Return the differences between the two runs of a program.

        A difference is checked by two further runs. Differences between two untraced runs, and
        differences that do not occur each time, are not caused by tracing.
        """
        plain, traced = self._play(source)
        found = differing(plain, traced)
        # Threads and timers may cause a difference once, but not three times in a row.
        for _ in range(2):
            if not found:
                break
            again, traced = self._play(source)
            noise = differing(plain, again)
            found = {
                k: v for k, v in differing(again, traced).items() if k in found and k not in noise
            }
        return [f"{path}\n  untraced: {a}\n  traced:   {b}" for path, (a, b) in found.items()]

    def _play(self, source: str) -> list[Any]:
        for side in self._sides:
            side.begin(source)
        played = [side.end() for side in self._sides]
        untraced, traced = (each.pop("health") for each in played)
        assert not untraced.get("calls"), "the untraced run was traced"
        played[1]["faults"], played[0]["faults"] = traced.get("faults"), {}
        _keep_leaks(*(each.get("left", {}) for each in played))
        self.calls += traced.get("calls", 0)
        return played


def _keep_leaks(untraced: dict[str, Any], traced: dict[str, Any]) -> None:
    """Keep of the files left open only those of the traced run alone."""
    more = Counter(traced.get("files")) - Counter(untraced.get("files"))
    untraced["files"], traced["files"] = [], sorted(more.elements())


@contextlib.contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Start the two processes, and stop them at the end."""
    with contextlib.ExitStack() as stack:
        # At the same time, as each imports for seconds.
        with ThreadPoolExecutor() as pool:
            sides = list(pool.map(lambda is_traced: _start(folder, is_traced), (False, True)))
        for side in sides:
            stack.callback(side.stop)
        yield Pair(*sides)


def _start(folder: Path, is_traced: bool) -> Side:
    own = folder / ("traced" if is_traced else "untraced")
    own.mkdir()
    return Side(own, is_traced=is_traced)


def differing(one: Any, other: Any) -> dict[str, tuple[Any, Any]]:
    """Return the differences between two transcripts, by their path."""
    return dict(_differing(one, other, ""))


def _differing(one: Any, other: Any, path: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            yield from _differing(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (each, its) in enumerate(zip(one, other, strict=True)):
            yield from _differing(each, its, f"{path}[{number}]")
    elif one != other:
        yield path, (one, other)


if __name__ == "__main__":
    # For a check of one program by hand, read from standard input.
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as where, pair(Path(where)) as both:
        for difference in both.differences(sys.stdin.read()):
            sys.stdout.write(f"{difference}\n")
