"""The README's instructions lead from a clone to a trace in MLflow's UI, in two minutes."""

from __future__ import annotations

import os
import re
import resource
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from documents import ROOT, blocks
from mlflow import MlflowClient
from processes import STARTING_S, Process, clean_environment, running, until
from ui_page import TracePage, hide_hints

if TYPE_CHECKING:
    from mlflow.entities import Trace
    from playwright.sync_api import Page

# Processor time, to which tests that run meanwhile add nothing.
LIMIT_S = 120
# As in test_ui.py.
SCREENSHOTS = os.environ.get("UI_SCREENSHOTS")


def steps(printed: str) -> tuple[list[str], dict[str, str], str]:
    """Return the command in the demo's last lines, the variables before it, and the address."""
    _, _, last = printed.rpartition("\n\n")
    _, *lines, browse = last.splitlines()
    words = shlex.split(" ".join(lines).replace("\\", ""))
    variables = [word for word in words if re.match(r"[A-Z_]+=", word)]
    [url] = re.findall(r"http://localhost\S+", browse)
    return words[len(variables) :], dict(word.split("=", 1) for word in variables), url


def stored_in(folder: Path, name: str) -> Trace:
    """Return the trace of this name from the default store in a folder."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiments = [each.experiment_id for each in client.search_experiments()]
    [trace] = client.search_traces(locations=experiments, filter_string=f"trace.name = '{name}'")
    return trace


def run(*command: str, folder: Path) -> str:
    """Run a command as a new user does, and return its output."""
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


def used_s() -> float:
    """Return the processor time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.timeout(400)
def test_clone_leads_to_its_traces_in_the_ui(page: Page, tmp_path: Path) -> None:
    """The README's command installs a clone, and its output leads to the traces in the UI."""
    before_s = used_s()
    run("git", "clone", "--quiet", str(ROOT), "clone", folder=tmp_path)
    clone = tmp_path / "clone"
    printed = run("bash", "-euo", "pipefail", "-c", blocks("README.md", "shell")[0], folder=clone)
    command, variables, url = steps(printed)
    with running(Process(command, clone, variables)) as server:
        there = url.partition("#")[0]
        until(lambda: server.answers(f"{there}health"), STARTING_S, "the server")
        page.goto(url)
        hide_hints(page)
        page.get_by_text("Say hello.").first.click()
        page.get_by_text("litellm-completion").first.wait_for()
        demo = stored_in(clone, "demo")
        trace = TracePage(page, there.rstrip("/"), demo.info.experiment_id, demo.info.trace_id)
        trace.select("litellm-Router.completion")
        trace.body.get_by_text("The fallback answers.").wait_for()
        assert trace.failed() == ["litellm-completion"]
        trace.save(Path(SCREENSHOTS or tmp_path, "demo.png"))
    assert used_s() - before_s < LIMIT_S
