"""
What the commands do with the store of traces: make a local one, and ask one that may not answer.

A command must never end in the middle of a migration: MLflow cannot repair a half-made store.
"""

from __future__ import annotations

import importlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from mlflow_litellm._cli.report import REQUEST_S
from mlflow_litellm._tracing.store.errors import (
    ELSEWHERE,
    SERVERS,
    ProblemError,
    explain,
    one_line,
    store_uri,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

SQLITE = "sqlite:///"
QUESTION = "mlflow-litellm-question"
# Each request to a server ends by itself, after REQUEST_S; this is for what does not.
PATIENCE_S = 60
CHOOSE_EXPERIMENT = (
    "set MLFLOW_EXPERIMENT_ID to the id of one that exists, or MLFLOW_EXPERIMENT_NAME to any name"
)
USUAL_PORT = 5000
# As MLflow starts its server, there are 15 processes in 4.2 GB. Jobs, which nobody gives it here,
# need most of them.
SERVER_VARIABLES = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # Else LiteLLM's fetch of its prices and MLflow's import hooks can wait for each other.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def ask(question: Callable[[], T]) -> T:
    """
    Return what the store answers.

    A server is given up after a minute. A store that MLflow opens itself, such as SQLite, has no
    limit: it may have its tables to make, and Ctrl-C waits for that.

    Args:
        question: Asks MLflow. A server is asked in a daemon thread, which is left alone if it is
            given up.

    Raises:
        ProblemError: No answer in time, or an error for one.
    """
    uri = _tracking_uri()
    try:
        if uri.partition(":")[0] in SERVERS:
            return _ask_server(question)
        _check_address(uri)
        with _signals_postponed():
            return question()
    except ProblemError:
        raise
    except Exception as error:
        raise explain(store_uri(), error) from error


def _ask_server(question: Callable[[], T]) -> T:
    answers: list[T] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            answers.append(question())
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            errors.append(error)

    thread = threading.Thread(target=ask, name=QUESTION, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    if answers:
        return answers[0]
    raise errors[0] if errors else TimeoutError


@contextmanager
def _signals_postponed() -> Iterator[None]:
    """Have Ctrl-C and a request to end wait for the block."""
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        print("\nWaiting for the store: to stop now could damage it.", file=sys.stderr)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])


def _tracking_uri() -> str:
    import mlflow

    try:
        return mlflow.get_tracking_uri()
    except ImportError as error:
        raise explain(store_uri(), error) from error


def _check_address(uri: str) -> None:
    """Raise ProblemError if nobody listens at a database's address: MLflow tries for minutes."""
    parts = urlsplit(uri)
    with suppress(ValueError):
        if parts.hostname and parts.port:
            try:
                socket.create_connection((parts.hostname, parts.port), REQUEST_S).close()
            except OSError as error:
                reason = error.strerror or one_line(error, 80)
                what = f"the database {store_uri()} does not answer ({reason})"
                raise ProblemError(what, f"start it, or {ELSEWHERE}") from error


def is_asking() -> bool:
    """Tell whether a question to a server was left without its answer."""
    return any(thread.name == QUESTION for thread in threading.enumerate())


def make_local() -> None:
    """
    Make MLflow's local store if traces go to one and there is none yet, and say so.

    Is made under another name first: whatever ends the process meanwhile leaves no half-made one.
    """
    path = local_path()
    if path is None or path.exists():
        return
    uri = store_uri()
    print(f"Making the tables of {uri}. This is done once, and may take a minute.\n", flush=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        _make_tables(unfinished)
        # Another process may have made it meanwhile.
        if not path.exists():
            unfinished.replace(path)
    except Exception as error:
        raise explain(uri, error) from error
    finally:
        # On Windows it cannot be moved while it is open; MLflow then makes one in its place.
        with suppress(OSError):
            unfinished.unlink()


def local_path() -> Path | None:
    """Return where the SQLite store is that traces go to; None if they go elsewhere."""
    import mlflow

    uri = mlflow.get_tracking_uri()
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def place() -> str:
    """Return which experiment the next trace goes to, having asked the store."""
    experiment_id = os.environ.get("MLFLOW_EXPERIMENT_ID")
    path = local_path()
    if path is None or path.exists():
        return _experiment(experiment_id)
    # Asking MLflow would make it, in a directory where nobody may want it.
    importlib.import_module("sqlalchemy")
    if experiment_id not in {None, "", "0"}:
        raise _unknown(experiment_id)
    directory = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(directory, os.W_OK):
        what = f"{store_uri()} cannot be made, as {directory} is not writable"
        raise ProblemError(what, ELSEWHERE)
    return "which MLflow makes with the first trace"


def _experiment(experiment_id: str | None) -> str:
    from mlflow.exceptions import MlflowException

    from mlflow_litellm._tracing.mlflow_compat import client

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    try:
        if name and not experiment_id:
            found = client().get_experiment_by_name(name)
        else:
            found = client().get_experiment(experiment_id or "0")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise _unknown(experiment_id) from error
    if found is None:
        return f"experiment {name!r}, which is made with the first trace"
    if found.lifecycle_stage == "deleted":
        what = f"the experiment {found.name!r} is deleted"
        raise ProblemError(what, CHOOSE_EXPERIMENT)
    return f"experiment {found.name!r} (id {found.experiment_id})"


def _unknown(experiment_id: str | None) -> ProblemError:
    what = f"{store_uri()} has no experiment with the id {experiment_id or '0'}"
    return ProblemError(what, CHOOSE_EXPERIMENT)


def way_to_ui(experiment_id: str) -> str:
    """Return how to see an experiment's traces in MLflow's UI."""
    import mlflow

    uri = mlflow.get_tracking_uri()
    page = f"#/experiments/{experiment_id}/traces"
    if uri.startswith(("http:", "https:")):
        return f"Open them: {store_uri().rstrip('/')}/{page}"
    port = free_port()
    return f"Open them at http://localhost:{port}/{page} after\n{_server_command(port)}"


def free_port() -> int:
    """Return MLflow's usual port of the loopback, or another if that is taken."""
    for port in (USUAL_PORT, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)) as server:
            return int(server.getsockname()[1])
    return USUAL_PORT


def _server_command(port: int) -> str:
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store_uri(),
        "--workers", "1", "--port", str(port),
    ]  # fmt: skip
    if os.name == "nt":
        variables = "&& ".join(f"set {name}={value}" for name, value in SERVER_VARIABLES.items())
        return f"{variables}&& {subprocess.list2cmdline(command)}"
    variables = " ".join(f"{name}={value}" for name, value in SERVER_VARIABLES.items())
    return f"{variables} {shlex.join(command)}"


def _make_tables(path: Path) -> None:
    from mlflow import MlflowClient

    importlib.import_module("sqlalchemy")
    MlflowClient(f"{SQLITE}{path}").search_experiments(max_results=1)
