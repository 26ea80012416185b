"""Starts what tests need as processes of their own: the loopback provider, a tracking server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


# What this process sets for its own tests, and what a developer's shell may hold.
CLEARED = ("MLFLOW_", "OTEL_", "LITELLM_", "DATABRICKS_")
SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # So that tests wait less for traces.
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "200",
}
# MLflow's own, where that is what is measured.
AS_USERS_HAVE_IT = {"MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "5000"}
# Has Python find what stands beside this file.
BESIDE = {
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
}
STARTING_S = 240.0
STOPPING_S = 45.0


def clean_environment(**more: str) -> dict[str, str]:
    """Return the developer's environment without what is MLflow's and LiteLLM's there, and more."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(CLEARED)}
    return {**kept, **SETTINGS, **more}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(found: Callable[[], Any], seconds: float, what: str, every: float = 0.05) -> Any:
    """Return what another process brings about, as soon as it is there; look so often."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := found():
            return result
        # Nothing in this process tells of it.
        time.sleep(every)
    raise TimeoutError(what)


def resident_kb(pid: int | str = "self") -> int:
    """Return how much memory a process has, in KiB; Linux tells."""
    [found] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found)


class Process:
    """
    A process that is stopped with the context it is started in.

    Args:
        command: What runs, below the Python that runs the tests.
        folder: Where it runs, and its output goes.
        environment: Set beside the developer's own, without what is MLflow's and LiteLLM's there.
    """

    def __init__(
        self, command: list[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log_file = folder / f"{Path(command[0]).name}-{free_port()}.log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=clean_environment(**(environment or {})),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own, so that workers can be told from everybody else's.
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """What the process has printed."""
        return self.log_file.read_text(errors="replace")

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self) -> None:
        """Have it stop, as an operator does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Stop it, and return its exit code."""
        self.end()
        try:
            return self.process.wait(STOPPING_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def answers(self, url: str) -> bool:
        """Tell whether a URL is answered; fails where the process has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(self.log[-4000:])
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(url, timeout=2).is_success
        return False


class Provider(Process):
    """The loopback provider, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__([sys.executable, "-m", "provider"], folder, BESIDE)
        line = until(lambda: self.log.partition("\n")[0], STARTING_S, "the provider")
        told = json.loads(line)
        self.openai_base: str = told["openai"]
        self.anthropic_base: str = told["anthropic"]

    def say(self, word: str) -> None:
        """Have it ``release`` what it holds from now on, or ``hold`` it again."""
        self.tell(word)

    @property
    def environment(self) -> dict[str, str]:
        """What a gateway's configuration reads from the environment, with keys of vendors."""
        return {
            "PROVIDER_OPENAI": self.openai_base,
            "PROVIDER_ANTHROPIC": self.anthropic_base,
            "PROVIDER_CHAT": f"{self.openai_base}/chat/completions",
            "ANTHROPIC_API_BASE": self.anthropic_base,
            "ANTHROPIC_API_KEY": "sk-ant-vendor-secret-0123456789",
            "OPENAI_API_BASE": self.openai_base,
            "OPENAI_API_KEY": "sk-vendor-secret-0123456789",
        }


class TrackingServer(Process):
    """An MLflow server on a SQLite store."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        command = [
            str(Path(sys.executable).with_name("mlflow")), "server", "--host", "127.0.0.1",
            "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        ]  # fmt: skip
        # It starts a dozen processes for jobs that nobody gives it.
        super().__init__(command, folder, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
        until(lambda: self.answers(f"{self.uri}/health"), STARTING_S, "the tracking server")


@contextlib.contextmanager
def running(process: Any) -> Iterator[Any]:
    """Stop a process at the end of the block."""
    try:
        yield process
    finally:
        process.stop()
