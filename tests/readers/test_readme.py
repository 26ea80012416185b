"""The README's instructions lead to a trace in MLflow's UI."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from documents import blocks
from processes import STARTING_S, Process, clean_environment, running, until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

HERE = ".venv/bin/python"


def steps(printed: str) -> tuple[list[str], dict[str, str], str]:
    """Return the command in the demo's last lines, the variables before it, and the address."""
    _, _, last = printed.rpartition("\n\n")
    _, *lines, browse = last.splitlines()
    words = shlex.split(" ".join(lines).replace("\\", ""))
    variables = [word for word in words if re.match(r"[A-Z_]+=", word)]
    [url] = re.findall(r"http://localhost\S+", browse)
    return words[len(variables) :], dict(word.split("=", 1) for word in variables), url


@pytest.mark.timeout(400)
def test_demo_leads_to_its_traces_in_the_ui(page: Page, tmp_path: Path) -> None:
    """The command and the address in its output lead to the traces in the UI."""
    *_, demo = blocks("README.md", "shell")[0].strip().split(" && ")
    command = shlex.split(demo.replace(HERE, sys.executable))
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=True
    )
    command, variables, url = steps(done.stdout)
    with running(Process(command, tmp_path, variables)) as server:
        there = url.partition("#")[0]
        until(lambda: server.answers(f"{there}health"), STARTING_S, "the server")
        page.goto(url)
        page.set_default_timeout(60_000)
        # The UI shows a hint over the list, the first time.
        page.add_locator_handler(page.get_by_text("Got it"), lambda hint: hint.click())
        page.get_by_text("Say hello.").first.click()
        page.get_by_text("litellm-completion").first.wait_for()
