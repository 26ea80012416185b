"""
Opens the store that traces go to in a thread of its own, and never on the caller's thread.

MLflow opens the store as the first span starts. With a database that is down, it tries again for
about two minutes there; an empty database is given its tables. Here MLflow's exporter gets a client
that opens the store as the first trace is sent. MLflow's export threads wait for it. If the store
cannot be opened, each trace fails at once until the next attempt: else a thousand traces would each
wait, and so would the end of the process.
"""

from __future__ import annotations

import threading
from functools import cache, partial
from typing import Any

from mlflow_litellm._common.patching import Patch
from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.guard import guard, logger
from mlflow_litellm._tracing.store import errors
from mlflow_litellm._tracing.store.attempts import Attempt

# How long what is sent waits for a store, from the moment that it began to be opened. MLflow tries
# a database for 102 s.
PATIENCE_S = 120.0
# How long a fork waits for a store that is being opened, from the same moment. A local one may be
# getting its tables, and its locks would be copied into the child.
FORK_PATIENCE_S = 5.0
LOCAL_FORK_PATIENCE_S = 30.0
ELSEWHERE = "name another store with MLFLOW_TRACKING_URI"


class StoreUnavailableError(Exception):
    """The store that traces go to could not be opened."""


@cache
def lazy_client_class(base: type) -> type:
    """
    Return the class of clients that open their store late.

    Args:
        base: MLflow's class of clients.
    """

    class LazyClient(base):  # type: ignore[misc]
        """MLflow's client of a store of traces, that opens the store once something is sent."""

        _is_made = False

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._is_made = True

        @property
        def store(self) -> Any:
            """The store; None while the client is made, when MLflow asks only to open it."""
            return opened(self.tracking_uri) if self._is_made else None

        @property
        def opened_store(self) -> Any:
            """The store if it is open, else None. Opens nothing."""
            opening = _openings.get(self.tracking_uri)
            return opening and opening.value

    return LazyClient


def opening_patches() -> list[Patch]:
    """Return the patch that gives MLflow's exporter its client."""
    name = mlflow_compat.EXPORTERS_CLIENT
    module = name.holder()
    if module is None or mlflow_compat.TRACING_CLIENT.find() is None:
        return []
    return [Patch(module, name.attribute, _lazy_client, lambda: True)]


def opened(uri: str) -> Any:
    """
    Return the open store at an address.

    Waits for the thread that opens it, for `PATIENCE_S` at most: to be called by threads that
    export.

    Args:
        uri: A tracking URI.

    Raises:
        StoreUnavailableError: The store could not be opened, just now or shortly before.
    """
    opening = _openings.get(uri)
    if opening is not None and opening.value is not None:
        # Without the lock, which is held during a fork.
        return opening.value
    with _lock:
        opening = _openings.get(uri)
        if opening is None or opening.is_stale:
            opening = _openings[uri] = Attempt("mlflow-litellm-store", partial(_open, uri))
    if opening.wait(PATIENCE_S) is None:
        # A new one each time: an exception that is raised again grows its traceback.
        raise StoreUnavailableError(str(opening.error or "it has not answered yet"))
    return opening.value


def hold() -> None:
    """
    Begin to open no store until `go_on`, and wait a little for those that are being opened.

    To be called before a fork: a child would find their locks locked.
    """
    _lock.acquire()
    for uri, opening in list(_openings.items()):
        opening.wait(LOCAL_FORK_PATIENCE_S if uri.startswith("sqlite:") else FORK_PATIENCE_S)


def go_on() -> None:
    """Open stores again, after `hold`."""
    _lock.release()


def forget_unfinished() -> None:
    """Have a forked child open what its parent was opening: that thread is not in the child."""
    for uri, opening in list(_openings.items()):
        if opening.value is None:
            del _openings[uri]


def _lazy_client(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    with guard("putting off the opening of the store"):
        return lazy_client_class(wrapped)(*args, **kwargs)
    return wrapped(*args, **kwargs)


def _open(uri: str) -> Any:
    try:
        return mlflow_compat.TRACING_CLIENT.find()(uri).store
    except Exception as error:
        raise StoreUnavailableError(_warn(uri, error)) from error


_openings: dict[str, Attempt[Any]] = {}
_lock = threading.Lock()
_warned: set[str] = set()


def _warn(uri: str, error: Exception) -> str:
    """Log once for each store that it cannot be opened; return a sentence that says so."""
    problem = errors.explain(errors.masked(uri), error, ELSEWHERE)
    if uri in _warned:
        logger.debug("The store of traces cannot be opened.", exc_info=error)
    else:
        _warned.add(uri)
        logger.warning(
            "Traces of LiteLLM calls are lost: %s. To mend it: %s. Calls go on. The store is tried "
            "again while there are traces to send; this is logged once.",
            problem.what,
            problem.remedy,
        )
    return str(problem)
