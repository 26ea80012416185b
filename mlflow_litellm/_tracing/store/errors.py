"""Describe a problem with a store for the user: its cause, and the remedy."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = ("http", "https", "databricks", "databricks-uc")
FULL_MLFLOW = "pip install 'mlflow>=3.13,<4'"
# The remedy of choosing another store: for the commands, and for a program that makes calls.
ELSEWHERE = "name another place with --tracking-uri or MLFLOW_TRACKING_URI"
ANOTHER_STORE = "name another store with MLFLOW_TRACKING_URI"
# A host and a port, such as localhost:5000. MLflow takes the host for a scheme or a folder.
_WITHOUT_SCHEME = re.compile(r"[\w.-]+:\d+(/.*)?")
# MLflow raises the same type for each of these.
_DENIED = re.compile(r"failed with error code 40[13]\b")
_NO_SERVER = re.compile(r"failed with error code (404|405|501)\b|valid JSON|: Response: \{")


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
    if _WITHOUT_SCHEME.fullmatch(uri):
        return ProblemError(f"the address {uri} has no scheme", f"write http://{uri}")
    if isinstance(error, ImportError) or hasattr(error, "supported_uri_schemes"):
        return _no_store(uri, error, elsewhere)
    text = one_line(error, 2000)
    if "filesystem tracking" in text:
        return _folder(uri, elsewhere)
    served = uri.startswith(("http:", "https:"))
    remedy = f"start it with: mlflow server, or {elsewhere}" if served else elsewhere
    if isinstance(error, TimeoutError):
        return ProblemError(f"{uri} did not answer in time", remedy)
    if served:
        problem = _server(uri, error, text, remedy)
        return problem or _unusable(uri, text, elsewhere)
    return _unusable(uri, text, elsewhere)


def _unusable(uri: str, text: str, elsewhere: str) -> ProblemError:
    sentence = one_line(text, 200).partition(". ")[0].rstrip(".")
    return ProblemError(f"{uri} cannot be used ({sentence})", f"fix that, or {elsewhere}")


def _folder(uri: str, elsewhere: str) -> ProblemError:
    what = f"MLflow no longer stores traces in folders such as {uri}"
    migrate = "move the data with: mlflow migrate-filestore"
    return ProblemError(
        what, f"name a database such as sqlite:///mlflow.db ({migrate}), or {elsewhere}"
    )


def _server(uri: str, error: Exception, text: str, remedy: str) -> ProblemError | None:
    """Return the problem with a server; None if it is none of those that have a remedy."""
    if reasons := [each for each in _causes(error) if isinstance(each, OSError)]:
        reason = reasons[-1].strerror or one_line(reasons[-1], 80)
        if "WRONG_VERSION_NUMBER" in reason:
            return ProblemError(f"{uri} answers without TLS", "write http:// instead of https://")
        return ProblemError(f"the tracking server {uri} does not answer ({reason})", remedy)
    if _DENIED.search(text):
        what = f"the tracking server {uri} denies access"
        names = "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        return ProblemError(what, f"correct {names}")
    if _NO_SERVER.search(text):
        what = f"a server answers at {uri}, but it is no MLflow tracking server"
        return ProblemError(what, "name the address that shows MLflow's UI in a browser")
    return None


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
