"""
Creates a local trace store for the commands, and queries a store that may not respond.

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
import textwrap
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
# Each request to a server ends after REQUEST_S. This limit is for operations that do not end.
PATIENCE_S = 60
CHOOSE_EXPERIMENT = (
    "set MLFLOW_EXPERIMENT_ID to the id of one that exists, or MLFLOW_EXPERIMENT_NAME to any name"
)
USUAL_PORT = 5000
# By default, MLflow's server starts 15 processes, which take 4.2 GB. Most of them are for jobs,
# which this command does not use.
SERVER_VARIABLES = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # Without this, LiteLLM's fetch of its prices and MLflow's import hooks can deadlock.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def ask(question: Callable[[], T]) -> T:
    """
    Return the result of a query to the store.

    A query to a server is given up after a minute. A store that MLflow opens itself, such as
    SQLite, has no time limit: MLflow may have to create its tables, and Ctrl-C waits for that.

    Args:
        question: A function that queries MLflow. For a server, it runs in a daemon thread, which
            continues after the query is given up.

    Raises:
        ProblemError: The query failed, or gave no result in time.
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
    results: list[T] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            results.append(question())
        except Exception as error:  # noqa: BLE001 - the waiting thread raises it
            errors.append(error)

    thread = threading.Thread(target=ask, name=QUESTION, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    if results:
        return results[0]
    raise errors[0] if errors else TimeoutError


@contextmanager
def _signals_postponed() -> Iterator[None]:
    """Delay SIGINT (Ctrl-C) and SIGTERM until the block has ended."""
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        print("\nWaiting for the store: stopping now could damage it.", file=sys.stderr)

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
    """Raise ProblemError if no database listens at an address: MLflow would retry for minutes."""
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
    """Return whether a query to a server is still running."""
    return any(thread.name == QUESTION for thread in threading.enumerate())


def make_local() -> None:
    """
    Create MLflow's local store and print a message, if traces go to a local store that is missing.

    The file gets its name when it is complete: a process that ends early leaves no half-made store.
    """
    path = local_path()
    if path is None or path.exists():
        return
    uri = store_uri()
    print(f"Making the tables of {uri}. This is done once and may take a minute.\n", flush=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        _make_tables(unfinished)
        # Another process may have created the store meanwhile.
        if not path.exists():
            unfinished.replace(path)
    except Exception as error:
        raise explain(uri, error) from error
    finally:
        # Windows cannot rename an open file. MLflow then creates the store itself.
        with suppress(OSError):
            unfinished.unlink()


def local_path() -> Path | None:
    """
    Return the path of the SQLite store that traces go to; None for any other store.

    Raises:
        ProblemError: MLflow has no store by default, as only a part of it is installed.
    """
    uri = _tracking_uri()
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def place() -> str:
    """Query the store, and return the experiment of the next trace in words."""
    experiment_id = os.environ.get("MLFLOW_EXPERIMENT_ID")
    path = local_path()
    if path is None or path.exists():
        return _experiment(experiment_id)
    # A query would create the store in the current directory, which the user may not want.
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
            experiment = client().get_experiment_by_name(name)
        else:
            experiment = client().get_experiment(experiment_id or "0")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise _unknown(experiment_id) from error
    if experiment is None:
        return f"experiment {name!r}, which is made with the first trace"
    if experiment.lifecycle_stage == "deleted":
        what = f"the experiment {experiment.name!r} is deleted"
        raise ProblemError(what, CHOOSE_EXPERIMENT)
    return f"experiment {experiment.name!r} (id {experiment.experiment_id})"


def _unknown(experiment_id: str | None) -> ProblemError:
    what = f"{store_uri()} has no experiment with the id {experiment_id or '0'}"
    return ProblemError(what, CHOOSE_EXPERIMENT)


def way_to_ui(experiment_id: str, width: int) -> list[str]:
    """
    Return the steps that open an experiment's traces in MLflow's UI, as lines.

    Args:
        experiment_id: The experiment.
        width: The number of columns. A command is continued on further lines.
    """
    import mlflow

    uri = mlflow.get_tracking_uri()
    page = f"#/experiments/{experiment_id}/traces"
    if uri.startswith(("http:", "https:")):
        return [f"Open {store_uri().rstrip('/')}/{page}"]
    port = free_port()
    return [
        "1. Start MLflow's UI. Ctrl-C stops it.",
        *(f"   {line}" for line in _server_command(port, width - 3)),
        f"2. Open http://localhost:{port}/{page}",
    ]


def free_port() -> int:
    """Return MLflow's usual port on the loopback interface, or a free port if that is in use."""
    for port in (USUAL_PORT, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)) as server:
            return int(server.getsockname()[1])
    return USUAL_PORT


def _server_command(port: int, width: int) -> list[str]:
    command = [
        sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port),
        "--backend-store-uri", store_uri(),
    ]  # fmt: skip
    if os.name == "nt":
        variables = "&& ".join(f"set {name}={value}" for name, value in SERVER_VARIABLES.items())
        return [f"{variables}&& {subprocess.list2cmdline(command)}"]
    variables = " ".join(f"{name}={value}" for name, value in SERVER_VARIABLES.items())
    continued = " \\"
    lines = textwrap.wrap(
        f"{variables} {shlex.join(command)}",
        width - len(continued),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [*(line + continued for line in lines[:-1]), lines[-1]]


def _make_tables(path: Path) -> None:
    from mlflow import MlflowClient

    importlib.import_module("sqlalchemy")
    MlflowClient(f"{SQLITE}{path}").search_experiments(max_results=1)
