"""The page on the LiteLLM Proxy works as written: from nothing to a merged trace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import documents
import pytest
from gateways import ROUTED, Spans, spans, tree
from processes import STARTING_S, Process, free_port, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processes import Provider

PAGE = "docs/litellm-proxy.md"
NAME = "LiteLLM Proxy"


def blocks(language: str, ports: dict[str, int]) -> list[str]:
    """Return the page's blocks in a language, with the ports replaced."""
    return [re.sub(r"\b[45]000\b", lambda port: str(ports[port[0]]), code)
            for code in documents.blocks(PAGE, language)]  # fmt: skip


class Page:
    """The equipment of a reader: a folder, and two terminals in which servers run."""

    def __init__(self, folder: Path, vendor: Provider) -> None:
        self.ports = {"5000": free_port(), "4000": free_port()}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**vendor.environment, "PATH": path}
        self.folder = folder
        install, *self.servers, self.curl = blocks("shell", self.ports)
        self.install = install
        *_, config = blocks("yaml", self.ports)
        (folder / "litellm_config.yaml").write_text(config)
        self.programs = blocks("python", self.ports)

    def serve(self, script: str, health: str) -> Process:
        """Run a block that starts a server, and wait until it responds."""
        jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        started = Process(["bash", "-euc", script], self.folder, {**self.environment, **jobs})
        until(lambda: started.answers(health), STARTING_S, script)
        return started

    def run(self, *command: str) -> str:
        """Run a block to its end, and return its output."""
        environment = {"MLFLOW_DISABLE_TELEMETRY": "true", **os.environ, **self.environment}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, vendor: Provider) -> Iterator[Page]:
    """Follow the page up to the start of the servers."""
    page = Page(tmp_path_factory.mktemp("page"), vendor)
    tracking, gateway = page.servers
    health = f"http://127.0.0.1:{page.ports['5000']}/health"
    alive = f"http://127.0.0.1:{page.ports['4000']}/health/liveliness"
    with running(page.serve(tracking, health)), running(page.serve(gateway, alive)):
        yield page


@pytest.fixture
def recorded(page: Page) -> Spans:
    """Provide a reader of the traces of the page's server."""
    return Spans(f"http://127.0.0.1:{page.ports['5000']}", NAME)


def test_install_command_is_satisfied_here(page: Page) -> None:
    """The packages of these tests satisfy the install command, so it needs no network."""
    pip = f"{sys.executable} -m pip install --no-deps --no-index"
    installed = page.install.replace("pip install", pip).replace("'.[", "'mlflow_litellm[")
    assert "already satisfied" in page.run("bash", "-euc", installed)


@pytest.mark.timeout(400)
def test_first_request_is_found_by_its_tag(page: Page, recorded: Spans) -> None:
    """The page's program finds the trace of the curl request by its tag."""
    assert "You said: What is a gateway?" in page.run("bash", "-euc", page.curl)
    recorded.when(bool, filter_string="tags.jobID = '214590'")
    printed = page.run(sys.executable, "-c", page.programs[0])
    assert re.findall(r"^(\S+ ?\S*) (?:CHAIN|LLM)", printed, re.MULTILINE) == [
        "POST /v1/chat/completions", "litellm-Router.acompletion", "litellm-acompletion"
    ]  # fmt: skip


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("number", "said", "callers"),
    [
        (1, "What is a trace?", ["ask", "Completions"]),
        (2, "What is a span?", ["litellm-completion"]),
    ],
    ids=["OpenAI SDK", "LiteLLM"],
)
def test_client_and_gateway_are_one_trace(
    page: Page, recorded: Spans, number: int, said: str, callers: list[str]
) -> None:
    """Each of the page's two clients makes one trace with the proxy."""
    assert page.run(sys.executable, "-c", page.programs[number]) == f"You said: {said}\n"
    path = "/v1" if number == 1 else ""
    expected: object = (f"POST {path}/chat/completions", ROUTED)
    for name in reversed(callers):
        expected = (name, [expected])
    recorded.when(lambda trace: tree(trace) == expected)


def test_tags_user_and_session_are_the_traces(page: Page, recorded: Spans) -> None:
    """The request of the page's last program sets tags, user and session of the trace."""
    page.run(sys.executable, "-c", page.programs[3])
    [trace] = recorded.when(bool, filter_string="tags.jobID = '7'")
    assert trace.info.tags["taskName"] == "tagging"
    assert trace.info.trace_metadata["mlflow.trace.user"] == "ada"
    assert trace.info.trace_metadata["mlflow.trace.session"] == "session-7"
    assert spans(trace, "litellm-acompletion")


@pytest.mark.parametrize("wrong", ["mlflow_litellm.proxy", "mlflow_litellm.proxy.handle"])
def test_misspelled_callback_names_the_right_one(wrong: str) -> None:
    """The proxy looks its callbacks up by this function, and stops with its error."""
    program = f"""
from litellm.proxy.types_utils.utils import get_instance_fn
get_instance_fn({wrong!r}, "config.yaml")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )  # fmt: skip
    last = done.stderr.splitlines()[-1]
    assert last.startswith("AttributeError: module")
    assert "the callback of LiteLLM Proxy is mlflow_litellm.proxy.handler" in last
