"""
Count the calls whose span MLflow could not start, and log the cause and the remedy once.

MLflow catches the error, logs it at each call, and returns a no-op span. It returns a no-op span
as well if tracing is off, or if the call is sampled out.
"""

from __future__ import annotations

import logging
import sys
import threading

from mlflow.exceptions import MlflowException

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.guard import guard, logger
from mlflow_litellm._tracing.health import Reason, counts
from mlflow_litellm._tracing.store.errors import (
    ANOTHER_STORE,
    StoreUnavailableError,
    explain,
    store_uri,
)
from mlflow_litellm._tracing.store.first_span import WorkspaceSilentError

_FAILED_TO_START = logging.getLogger("mlflow.tracing.fluent")
_FAILED_TO_SEND = logging.getLogger("mlflow.tracing.export.mlflow_v3")


class _Start(threading.local):
    """The start of a span in this thread."""

    is_ours = False
    error: BaseException | None = None


_start = _Start()
_warned: set[str] = set()


class watching:  # noqa: N801 - reads as the verb that it is
    """Record why MLflow could not start a span in the block. The block must not wait."""

    __slots__ = ()

    def __enter__(self) -> None:
        _start.error = None
        _start.is_ours = True

    def __exit__(self, *_: object) -> None:
        _start.is_ours = False


def count(span: object) -> None:
    """
    Count a call as lost, if MLflow could not start its span.

    Args:
        span: The no-op span that MLflow returned in the block of `watching` just before.
    """
    with guard("counting a call that is lost"):
        error, _start.error = _start.error, None
        if error is not None or _is_failure(span):
            _count(error)
        else:
            counts.add_not_traced(Reason.NOT_SAMPLED)


def count_silent(error: WorkspaceSilentError) -> None:
    """Count a call as lost whose span MLflow could not start without waiting."""
    with guard("counting a call that is lost"):
        _count(error)


def _count(error: BaseException | None) -> None:
    reason = "unknown" if error is None else type(error).__name__
    counts.add_lost(reason)
    if reason in _warned:
        logger.debug("MLflow could not start a span.", exc_info=error)
        return
    _warned.add(reason)
    _warn(error)


def attach() -> None:
    """Read errors from MLflow's log from now on, and log each kind once. Is idempotent."""
    _FAILED_TO_START.addFilter(_keep_start)
    _FAILED_TO_SEND.addFilter(_keep_sending)


def detach() -> None:
    """Stop filtering MLflow's log."""
    _FAILED_TO_START.removeFilter(_keep_start)
    _FAILED_TO_SEND.removeFilter(_keep_sending)


def _is_failure(span: object) -> bool:
    # A span that is sampled out has a context. So does a span while tracing is disabled.
    has_context = mlflow_compat.otel_span(span).get_span_context() is not None
    return not (has_context or mlflow_compat.is_off_here())


def _keep_start(_: logging.LogRecord) -> bool:
    """Return whether to log a record: False for this package's spans, which it logs once."""
    error = sys.exc_info()[1]
    if not _start.is_ours or error is None:
        return True
    _start.error = error
    return False


def _keep_sending(_: logging.LogRecord) -> bool:
    """Return whether to log a record: False if the store cannot be opened, which is logged once."""
    return not isinstance(sys.exc_info()[1], StoreUnavailableError)


def _warn(error: BaseException | None) -> None:
    what, remedy = _explain(error)
    logger.warning(
        "LiteLLM calls are not traced: %s. To fix it: %s. Calls go on. This is logged once; "
        "mlflow_litellm.health() counts the calls.",
        what,
        remedy,
    )


def _explain(error: BaseException | None) -> tuple[str, str]:
    if isinstance(error, WorkspaceSilentError):
        return str(error), "check that workspace; calls are traced once it has answered"
    if isinstance(error, (ImportError, MlflowException)):
        with errors_ignored():
            problem = explain(store_uri(), error, ANOTHER_STORE)
            return problem.what, problem.remedy
    cause = "" if error is None else f" ({type(error).__name__}: {error})"
    remedy = "set the logger 'mlflow_litellm' to DEBUG to see the cause, and fix it"
    return f"MLflow could not start a span{cause}", remedy
