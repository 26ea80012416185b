"""What the commands share: problems and findings for people, and a store that may not answer."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shlex
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_litellm._health import Health

T = TypeVar("T")

QUESTION = "mlflow-litellm-question"
# A server's answer may take the first; the second is for imports and for making a new store too.
REQUEST_S = 5
PATIENCE_S = 15
WIDTH = 100
FULL_MLFLOW = "pip install 'mlflow_litellm[mlflow]'"
CHOOSE_EXPERIMENT = (
    "set MLFLOW_EXPERIMENT_ID to the id of one that exists, or MLFLOW_EXPERIMENT_NAME to any name"
)
ELSEWHERE = "name another place with --tracking-uri or MLFLOW_TRACKING_URI"


class ProblemError(Exception):
    """
    What went wrong, to what, and what to do next.

    Args:
        what: One sentence without its full stop.
        remedy: What to do, as an imperative.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(one_line(f"{what}: {remedy}", 600))
        self.what = one_line(what, 300)
        self.remedy = remedy


class Finding(NamedTuple):
    """
    One thing that was looked at.

    Args:
        mark: ``ok``, ``note``, or ``FAIL`` where tracing would not work.
        text: What was found.
        remedy: What to do, unless all is well.
    """

    mark: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        lines = [_filled(f"{self.mark:4}  {self.text}", " " * 6)]
        if self.remedy:
            lines.append(_filled(f"      -> {self.remedy}", " " * 9))
        return "\n".join(lines)


def _filled(line: str, indent: str) -> str:
    # Addresses and commands stay in one piece.
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def one_line(text: object, width: int) -> str:
    """Return a text on one line, cut to `width` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= width else line[: width - 3].rstrip() + "..."


def prepare(*, offline: bool) -> None:
    """
    Have MLflow and LiteLLM, not imported yet, give up early and print little.

    Args:
        offline: Whether LiteLLM is not to fetch its prices from the network on import.
    """
    # By default MLflow retries for minutes.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(REQUEST_S)
    os.environ.setdefault("LITELLM_LOG", "ERROR")
    if offline:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def quiet() -> None:
    """Keep MLflow's log off the terminal, once it is imported: what matters is told otherwise."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def ask_store(question: Callable[[], T]) -> T:
    """
    Return what the store answers, waiting 15 seconds at most; for a server, five.

    Args:
        question: Asks MLflow. Runs in a daemon thread, which is left alone after that time.

    Raises:
        ProblemError: No answer in time, or an error for one.
    """
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
    error = errors[0] if errors else TimeoutError()
    raise error if isinstance(error, ProblemError) else _explain(store_uri(), error)


def is_asking() -> bool:
    """Tell whether a question to the store was left without its answer."""
    return any(thread.name == QUESTION for thread in threading.enumerate())


def store_uri() -> str:
    """Return where traces go, for people: a password in it is masked."""
    import mlflow

    try:
        uri = mlflow.get_tracking_uri()
    except ImportError:
        # The default is looked up in the local store, which mlflow-tracing alone does not have.
        return "MLflow's local store"
    scheme, _, rest = uri.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}:***@{host}" if at and ":" in user else uri


def own_health(health: Health) -> Finding:
    """Return what tracing says of itself, in this process."""
    if health.has_losses:
        remedy = "set the logger 'mlflow_litellm' to DEBUG to see each fault, and report it"
        return Finding("FAIL", f"tracing is not well: {health}", remedy)
    what = "no fault of tracing here; mlflow_litellm.health() tells it of a program, within it"
    return Finding("ok", what)


def place() -> str:
    """Return which experiment the next trace goes to, having asked the store."""
    import mlflow

    experiment_id = os.environ.get("MLFLOW_EXPERIMENT_ID")
    uri = mlflow.get_tracking_uri()
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or path.exists():
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

    from mlflow_litellm._internals import client

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
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store_uri()]
    line = subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)
    # Else LiteLLM's fetch of its prices and MLflow's import hooks can wait for each other.
    offline = "without a network, set LITELLM_LOCAL_MODEL_COST_MAP=True for it"
    return f"Open them at http://localhost:5000/{page} after\n({offline})\n{line}"


def _explain(uri: str, error: Exception) -> ProblemError:
    if isinstance(error, ImportError) or hasattr(error, "supported_uri_schemes"):
        return _no_store(uri, error)
    served = uri.startswith(("http:", "https:"))
    remedy = f"start it with: mlflow server, or {ELSEWHERE}" if served else ELSEWHERE
    if isinstance(error, TimeoutError):
        return ProblemError(f"{uri} did not answer within {PATIENCE_S} seconds", remedy)
    reasons = [each for each in _causes(error) if isinstance(each, OSError)]
    if served and reasons:
        reason = reasons[-1].strerror or one_line(reasons[-1], 80)
        return ProblemError(f"the tracking server {uri} does not answer ({reason})", remedy)
    sentence = one_line(error, 200).partition(". ")[0].rstrip(".")
    return ProblemError(f"{uri} cannot be used ({sentence})", f"mend that, or {ELSEWHERE}")


def _no_store(uri: str, error: Any) -> ProblemError:
    if importlib.util.find_spec("sqlalchemy") is None and uri.partition(":")[0] not in _REMOTE:
        what = f"{uri} cannot be used, as that needs MLflow in full and only a part is installed"
        return ProblemError(what, f"{FULL_MLFLOW}, or {ELSEWHERE}")
    if isinstance(error, ImportError):
        what = f"{uri} needs the module {error.name}, which is not installed"
        return ProblemError(what, f"install it with pip, or {ELSEWHERE}")
    schemes = ", ".join(sorted(filter(None, error.supported_uri_schemes)))
    what = f"MLflow cannot store anything in {uri!r}, only under {schemes}"
    return ProblemError(what, ELSEWHERE)


_REMOTE = {"http", "https", "databricks"}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextlib.contextmanager
def telling(what: str, remedy: str) -> Iterator[None]:
    """Turn any error of the block into a problem that `what` begins."""
    try:
        yield
    except ProblemError:
        raise
    except Exception as error:
        problem = ProblemError(f"{what} ({one_line(error, 200)})", remedy)
        raise problem from error
