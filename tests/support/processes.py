"""Starts processes for tests: the loopback provider, a tracking server."""

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


# Variables that this process sets for its own tests, or that a developer's shell may have.
CLEARED = ("MLFLOW_", "OTEL_", "LITELLM_", "DATABRICKS_")
SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Shorter waits for traces in tests.
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "200",
}
# MLflow's default, for measurements.
AS_USERS_HAVE_IT = {"MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "5000"}
# Lets Python find the modules beside this file, and the packages of tests that are run as programs.
BESIDE = {
    "PYTHONPATH": os.pathsep.join(
        [*map(str, list(Path(__file__).parents)[:2]), os.environ.get("PYTHONPATH", "")]
    )
}
STARTING_S = 240.0
STOPPING_S = 45.0


def clean_environment(**more: str) -> dict[str, str]:
    """Return the developer's environment without MLflow's and LiteLLM's variables, and add some."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(CLEARED)}
    return {**kept, **SETTINGS, **more}


def free_port() -> int:
    """Return a port without a listener."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(found: Callable[[], Any], seconds: float, what: str, every: float = 0.05) -> Any:
    """Poll for the result of another process, and return it; fail after some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := found():
            return result
        # No event in this process signals it.
        time.sleep(every)
    raise TimeoutError(what)


def resident_kb(pid: int | str = "self") -> int:
    """Return a process's resident memory, in KiB, on Linux."""
    [found] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found)


class Process:
    """
    A process that is stopped with the context it is started in.

    Args:
        command: The arguments of the Python that runs the tests.
        folder: The working folder, and the folder of its output.
        environment: Added to the developer's environment without MLflow's and LiteLLM's variables.
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
                # A group of its own, so that its workers can be found.
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """The output of the process."""
        return self.log_file.read_text(errors="replace")

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self) -> None:
        """Stop it as an operator does."""
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
        """Return whether a URL responds; fail if the process has ended."""
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
        """Make it ``release`` the held responses from now on, or ``hold`` them again."""
        self.tell(word)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a proxy's configuration reads, with keys of providers."""
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
        # It starts a dozen processes for jobs, which have no work here.
        super().__init__(command, folder, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
        until(lambda: self.answers(f"{self.uri}/health"), STARTING_S, "the tracking server")


@contextlib.contextmanager
def running(process: Any) -> Iterator[Any]:
    """Stop a process at the end of the block."""
    try:
        yield process
    finally:
        process.stop()
