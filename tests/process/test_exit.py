"""Scripts that end right after their last call store every trace and print nothing unexpected."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest
from children import run

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = """
import asyncio, litellm, mlflow
mlflow.litellm.autolog()
call = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}],
        "mock_response": "hello there"}
"""

# By description: the rest of the script, and its streams' ends as recorded.
SCRIPTS = {
    "sync": ("litellm.completion(**call)", [None]),
    "async": ("asyncio.run(litellm.acompletion(**call))", [None]),
    "several runs of a loop": (
        "for _ in range(5): asyncio.run(litellm.acompletion(**call))",
        [None] * 5,
    ),
    "stream": ("for _ in litellm.completion(**call, stream=True): pass", ["finished"]),
    "stream held open": ("s = litellm.completion(**call, stream=True); next(s)", ["abandoned"]),
    "stream left and held": (
        "s = litellm.completion(**call, stream=True)\nfor _ in s: break",
        ["abandoned"],
    ),
    "stream never read": ("s = litellm.completion(**call, stream=True)", ["abandoned"]),
    "stream held open in a cycle": (
        "s = [litellm.completion(**call, stream=True)]; next(s[0]); s.append(s)",
        ["abandoned"],
    ),
    "async stream held open": (
        "s = asyncio.run(litellm.acompletion(**call, stream=True))",
        ["abandoned"],
    ),
    "failure": ("litellm.completion(**{**call, 'mock_response': ValueError('no')})", [None]),
}


def stored(folder: Path) -> list[str | None]:
    """Return how the streams of the spans in MLflow's default store ended."""
    with sqlite3.connect(folder / "mlflow.db") as store:
        rows = store.execute(
            "SELECT json_extract(content, '$.attributes.stream_end') FROM spans"
        ).fetchall()
    return [row[0] and row[0].strip('"') for row in rows]


def odd(stderr: str) -> list[str]:
    """Return a script's stderr without MLflow's INFO lines and LiteLLM's log."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    return [line for line in lines if " INFO " not in line and " - LiteLLM:" not in line]


@pytest.mark.parametrize("title", SCRIPTS)
def test_script_leaves_every_trace_behind_and_says_nothing_odd(title: str, tmp_path: Path) -> None:
    """With MLflow's default store and asynchronous export, every trace is stored at exit."""
    code, ends = SCRIPTS[title]
    done = run(BEGIN + code, tmp_path)
    assert stored(tmp_path) == ends
    if title != "failure":
        assert (done.returncode, done.stdout, odd(done.stderr)) == (0, "", [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")
@pytest.mark.parametrize("childs_doing", ["pass", "del stream"])
def test_stream_open_at_a_fork_ends_in_its_own_process_alone(
    childs_doing: str, tmp_path: Path
) -> None:
    """The open stream's span does not end in a forked child, which lacks the exporting threads."""
    code = f"""
import os, sys
litellm.completion(**call)
mlflow.flush_trace_async_logging()  # Now those threads are there.
stream = litellm.completion(**call, stream=True)
next(stream)
if os.fork() == 0:
    {childs_doing}
    sys.exit(0)
os.wait()
for _ in stream: pass
"""
    done = run(BEGIN + code, tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert stored(tmp_path) == [None, "finished"]
