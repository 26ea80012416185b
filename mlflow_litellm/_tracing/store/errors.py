"""Describe a problem with a store for the user: its cause, and the remedy."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = ("http", "https", "databricks", "databricks-uc")
FULL_MLFLOW = "pip install 'mlflow_litellm[mlflow]'"
# The remedy of choosing another store: for the commands, and for a program that makes calls.
ELSEWHERE = "name another place with --tracking-uri or MLFLOW_TRACKING_URI"
ANOTHER_STORE = "name another store with MLFLOW_TRACKING_URI"


class StoreUnavailableError(Exception):
    """The store of traces could not be opened."""


class ProblemError(Exception):
    """
    A problem, with its remedy.

    Args:
        what: The problem, in one sentence without its full stop.
        remedy: The remedy, as an imperative.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(one_line(f"{what}: {remedy}", 600))
        self.what = one_line(what, 300)
        self.remedy = remedy


def one_line(text: object, width: int) -> str:
    """Return a text on one line, cut to `width` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= width else line[: width - 3].rstrip() + "..."


def store_uri() -> str:
    """Return the address of the store of traces, with the password in it masked."""
    import mlflow

    try:
        uri = mlflow.get_tracking_uri()
    except ImportError:
        # MLflow looks the default up in its local store, which mlflow-tracing alone lacks.
        return "MLflow's local store"
    return masked(uri)


def masked(uri: str) -> str:
    """Return a store's address with the password in it masked."""
    scheme, _, rest = uri.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}:***@{host}" if at and ":" in user else uri


def explain(uri: str, error: Exception, elsewhere: str = ELSEWHERE) -> ProblemError:
    """
    Return the problem with a store, and its remedy, for an error of MLflow's.

    Args:
        uri: The store's address, without its password.
        error: The exception that MLflow raised.
        elsewhere: The remedy of choosing another store, as an imperative.
    """
    if isinstance(error, ImportError) or hasattr(error, "supported_uri_schemes"):
        return _no_store(uri, error, elsewhere)
    served = uri.startswith(("http:", "https:"))
    remedy = f"start it with: mlflow server, or {elsewhere}" if served else elsewhere
    if isinstance(error, TimeoutError):
        return ProblemError(f"{uri} did not answer in time", remedy)
    reasons = [each for each in _causes(error) if isinstance(each, OSError)]
    if served and reasons:
        reason = reasons[-1].strerror or one_line(reasons[-1], 80)
        return ProblemError(f"the tracking server {uri} does not answer ({reason})", remedy)
    sentence = one_line(error, 200).partition(". ")[0].rstrip(".")
    return ProblemError(f"{uri} cannot be used ({sentence})", f"fix that, or {elsewhere}")


def _no_store(uri: str, error: Any, elsewhere: str) -> ProblemError:
    if importlib.util.find_spec("sqlalchemy") is None and uri.partition(":")[0] not in SERVERS:
        what = f"{uri} cannot be used, as that needs MLflow in full and only a part is installed"
        return ProblemError(what, f"{FULL_MLFLOW}, or {elsewhere}")
    if isinstance(error, ImportError):
        what = f"{uri} needs the module {error.name}, which is not installed"
        return ProblemError(what, f"install it with pip, or {elsewhere}")
    schemes = ", ".join(sorted(filter(None, error.supported_uri_schemes)))
    what = f"MLflow cannot store anything in {uri!r}, only under {schemes}"
    return ProblemError(what, elsewhere)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
