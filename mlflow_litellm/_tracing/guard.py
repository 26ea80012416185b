"""Swallow errors of tracing, and log each kind once; under test, raise them."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from mlflow_litellm._common.interruptions import interruption_in, pass_on, release_locks
from mlflow_litellm._tracing.health import counts

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger("mlflow_litellm")

# MLflow's own variable for this. Its test suite sets it, so errors of this package fail there too.
TESTING = "MLFLOW_AUTOLOGGING_TESTING"

_logged: set[tuple[str, type[BaseException]]] = set()


class guard:  # noqa: N801 - reads as the verb that it is: ``with guard("ending a span"):``
    """
    Keep errors of the block away from the user's call.

    An :class:`Exception` is logged and swallowed. The first of its type for the same `doing` is
    logged as a warning; later ones at debug level, with their stack trace. With
    ``MLFLOW_AUTOLOGGING_TESTING=true`` it is raised. ``KeyboardInterrupt`` and the like are always
    raised. An :class:`Exception` that a signal handler or another thread raises in the block is
    raised too. Is thread-safe.

    Args:
        doing: The action of the block, for a log line: it follows the word "while".
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is None:
            return False
        interruption = interruption_in(error) if isinstance(error, Exception) else error
        if interruption is not None:
            release_locks(interruption)
        if interruption is error or (interruption is None and _testing()):
            return False
        if interruption is not None:
            pass_on(interruption)
        _log(self._doing, error)
        return True


def _testing() -> bool:
    return os.environ.get(TESTING, "").lower() in {"true", "1"}


def _log(doing: str, error: BaseException) -> None:
    counts.add_fault(doing, error)
    kind = (doing, type(error))
    if kind in _logged:
        logger.debug("Tracing failed while %s.", doing, exc_info=error)
        return
    _logged.add(kind)
    logger.warning(
        "Tracing of LiteLLM failed while %s (%s: %s). Calls go on as if they were not traced. "
        "This is logged once; set the logger 'mlflow_litellm' to DEBUG to see each.",
        doing,
        type(error).__name__,
        error,
    )
