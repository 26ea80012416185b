"""Starts what a gateway needs as processes of their own: provider, tracking server, proxy."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import mlflow
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mlflow.entities import Span, Trace

# What this process sets for its own tests, and what a developer's shell may hold.
CLEARED = ("MLFLOW_", "OTEL_", "LITELLM_", "DATABRICKS_")
SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # So that tests wait less for traces.
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "200",
}
HERE = Path(__file__).parent
STARTING_S = 150.0
STOPPING_S = 45.0
TRACING_S = 60.0


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
        kept = {k: v for k, v in os.environ.items() if not k.startswith(CLEARED)}
        self.log_file = folder / f"{Path(command[0]).name}-{free_port()}.log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**kept, **SETTINGS, **(environment or {})},
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
        path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        super().__init__([sys.executable, "-m", "provider"], folder, {"PYTHONPATH": path})
        line = until(lambda: self.log.partition("\n")[0], STARTING_S, "the provider")
        told = json.loads(line)
        self.openai_base: str = told["openai"]
        self.anthropic_base: str = told["anthropic"]

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


class Gateway(Process):
    """
    A LiteLLM Proxy, started by its command.

    Args:
        folder: Where it runs; its configuration is written there.
        config: The configuration, as its YAML says it.
        environment: Where it sends traces, and where its provider is.
        options: Further options of the command.

    Attributes:
        url: Where it listens.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        environment: Mapping[str, str],
        options: tuple[str, ...] = (),
    ) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        # Beside the configuration, where LiteLLM looks for it.
        (folder / "custom_auth.py").write_text((HERE / "custom_auth.py").read_text())
        (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)))
        command = [
            str(Path(sys.executable).with_name("litellm")), "--config", "config.yaml",
            "--host", "127.0.0.1", "--port", str(port), *options,
        ]  # fmt: skip
        super().__init__(command, folder, environment)

    def wait(self) -> Gateway:
        """Wait until it answers."""
        until(lambda: self.answers(f"{self.url}/health/liveliness"), STARTING_S, "the gateway")
        return self


class Spans:
    """
    The traces of one experiment of a tracking server, read through MLflow's public API.

    Args:
        uri: The tracking server's.
        name: The experiment's.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.uri = uri
        self.name = name

    def all(self, **wanted: Any) -> list[Trace]:
        """Return every trace there is by now, oldest first; `wanted` as MLflow's search has it."""
        mlflow.set_tracking_uri(self.uri)
        experiment = mlflow.get_experiment_by_name(self.name)
        if experiment is None:
            return []
        return mlflow.search_traces(
            locations=[experiment.experiment_id],
            order_by=["timestamp ASC"],
            return_type="list",
            max_results=1000,
            **wanted,
        )

    def when(self, fits: Callable[[Trace], Any], count: int = 1, **wanted: Any) -> list[Trace]:
        """Return the traces that fit, as soon as there are so many that have ended."""

        def found() -> list[Trace]:
            traces = [trace for trace in self.all(**wanted) if is_whole(trace) and fits(trace)]
            return traces if len(traces) >= count else []

        return until(found, TRACING_S, f"{count} traces in {self.name}", every=0.25)

    def tagged(self, tag: str) -> Trace:
        """Return the only trace with a tag of this name, as soon as it has ended."""
        # Backquotes, for what is in it that is in no name.
        [trace] = self.when(bool, filter_string=f"tags.`{tag}` = ''")
        return trace


# The tree of a chat completion that takes one attempt.
ROUTED = [("litellm-Router.acompletion", [("litellm-acompletion", [])])]
CHAT = ("POST /v1/chat/completions", ROUTED)


def is_whole(trace: Trace) -> bool:
    """Tell whether the root and all parents of a trace's spans have come."""
    known = {span.span_id for span in trace.data.spans}
    parents = {span.parent_id for span in trace.data.spans}
    return None in parents and parents - {None} <= known


def tree(trace: Trace) -> Any:
    """Return a trace as nested pairs: a span's name, and its children in order of time."""

    def below(parent: str | None) -> list[Any]:
        children = [span for span in trace.data.spans if span.parent_id == parent]
        children.sort(key=lambda span: span.start_time_ns)
        return [(span.name, below(span.span_id)) for span in children]

    [root] = below(None)
    return root


def spans(trace: Trace, name: str) -> list[Span]:
    """Return a trace's spans of one name, in order of time."""
    found = [span for span in trace.data.spans if span.name == name]
    return sorted(found, key=lambda span: span.start_time_ns)


def root(trace: Trace) -> Span:
    """Return the root span of a trace."""
    [found] = [span for span in trace.data.spans if span.parent_id is None]
    return found


@contextlib.contextmanager
def running(process: Any) -> Iterator[Any]:
    """Stop a process at the end of the block."""
    try:
        yield process
    finally:
        process.stop()
