"""
Open the store of traces in a thread of its own, never in the caller's thread.

MLflow opens the store when the first span starts. If the database is down, it tries again for about
two minutes; if the database is empty, it creates the tables. Here, MLflow's exporter gets a client
that opens the store when the first trace is sent. MLflow's export threads wait for it. If the store
cannot be opened, each trace fails at once until the next attempt. Otherwise, a thousand traces
would each wait, and the exit of the process too.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.guard import guard, logger
from mlflow_litellm._tracing.store.attempts import Attempts
from mlflow_litellm._tracing.store.errors import (
    ANOTHER_STORE,
    StoreUnavailableError,
    explain,
    masked,
)

if TYPE_CHECKING:
    from mlflow_litellm._common.patching import Patch

# An export waits for the store until this time after its opening began. MLflow tries a database
# for 102 s.
PATIENCE_S = 120.0
# A fork waits for a store until these times after its opening began. A local store may be creating
# its tables, and the fork would copy its locks into the child.
FORK_PATIENCE_S = 5.0
LOCAL_FORK_PATIENCE_S = 30.0


@cache
def lazy_client_class(base: type) -> type:
    """
    Return a class of clients that open their store when it is first used.

    Args:
        base: MLflow's class of clients.
    """

    class LazyClient(base):  # type: ignore[misc]
        """MLflow's client of a store of traces, which opens the store at the first export."""

        _is_made = False

        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            self._is_made = True

        @property
        def store(self) -> Any:
            """The store; None in ``__init__``, in which MLflow reads it only to open it."""
            return opened(self.tracking_uri) if self._is_made else None

        @property
        def opened_store(self) -> Any:
            """The store if it is open, else None. Never opens it."""
            opening = _openings.latest(self.tracking_uri)
            return opening and opening.value

    return LazyClient


def opening_patches() -> list[Patch]:
    """Return the patch that gives MLflow's exporter its client."""
    if mlflow_compat.TRACING_CLIENT.find() is None:
        return []
    return mlflow_compat.EXPORTERS_CLIENT.patches(_lazy_client)


def opened(uri: str) -> Any:
    """
    Return the open store at an address.

    Waits for the thread that opens the store, for `PATIENCE_S` at most: only for threads that
    export.

    Args:
        uri: A tracking URI.

    Raises:
        StoreUnavailableError: The store could not be opened, now or in the last attempt.
    """
    opening = _openings.begun(uri, partial(_open, uri))
    if opening.wait(PATIENCE_S) is None:
        # A new exception each time: one that is raised again gets a longer traceback.
        raise StoreUnavailableError(str(opening.error or "it has not answered yet"))
    return opening.value


def hold() -> None:
    """
    Let no further store be opened until `release`, and wait for stores that are being opened.

    Call it before a fork: otherwise, the locks of these stores stay locked in the child. The wait
    is bounded.
    """
    for uri, opening in _openings.hold().items():
        opening.wait(LOCAL_FORK_PATIENCE_S if uri.startswith("sqlite:") else FORK_PATIENCE_S)


def release() -> None:
    """Allow the opening of stores again, after `hold`."""
    _openings.release()


def _lazy_client(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    with guard("delaying the opening of the store"):
        return lazy_client_class(wrapped)(*args, **kwargs)
    return wrapped(*args, **kwargs)


def _open(uri: str) -> Any:
    try:
        return mlflow_compat.TRACING_CLIENT.find()(uri).store
    except Exception as error:
        raise StoreUnavailableError(_warn(uri, error)) from error


# By the store's address.
_openings: Attempts[str, Any] = Attempts("mlflow-litellm-store")
_warned: set[str] = set()


def _warn(uri: str, error: Exception) -> str:
    """Log once for each store that it cannot be opened; return the problem as a sentence."""
    problem = explain(masked(uri), error, ANOTHER_STORE)
    if uri in _warned:
        logger.debug("The store of traces cannot be opened.", exc_info=error)
    else:
        _warned.add(uri)
        logger.warning(
            "Traces of LiteLLM calls are lost: %s. To fix it: %s. Calls go on. The store is tried "
            "again while there are traces to send; this is logged once.",
            problem.what,
            problem.remedy,
        )
    return str(problem)
