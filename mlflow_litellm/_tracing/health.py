"""Count the calls that were traced and lost, and the errors of tracing, in this process."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


logger = logging.getLogger("mlflow_litellm")


class Reason(str, Enum):
    """The reason why a call is not traced."""

    OFF = "tracing is off"
    INTERNAL = "internal call of LiteLLM"
    BY_MLFLOW = "made by MLflow itself, such as a judge"
    NOT_SAMPLED = "not sampled, or MLflow's tracing is disabled"


@dataclass(frozen=True)
class Health:
    """
    The counts of tracing since the process began; a forked child begins at 0.

    Attributes:
        calls: Calls whose span has ended. Each attempt and each composite call counts.
        faults: Errors of tracing that were swallowed. Maps the action and the type of the error,
            such as ``"ending a span: ValueError"``, to the number of errors.
        streams_abandoned: Streams that were closed or dropped before their end, or that were
            still open at exit.
        spans_dropped: Spans of those calls that MLflow dropped: its queue was full, or the server
            did not take them. None if unknown, as with Databricks and OpenTelemetry collectors.
        calls_lost: Calls without a trace, because MLflow could not start their span. Maps the type
            of the error to the number of calls. They do not count in `calls`.
        calls_not_traced: Calls that are not traced on purpose. Maps the reason, such as
            ``"tracing is off"``, to the number of calls. They do not count in `calls`.
    """

    calls: int
    faults: dict[str, int]
    streams_abandoned: int
    spans_dropped: int | None
    calls_lost: dict[str, int] = field(default_factory=dict)
    calls_not_traced: dict[str, int] = field(default_factory=dict)

    @property
    def has_losses(self) -> bool:
        """Whether the traces are incomplete."""
        return bool(self.faults or self.spans_dropped or self.calls_lost)

    def __str__(self) -> str:
        dropped = "unknown" if self.spans_dropped is None else self.spans_dropped
        faults, lost = _listed(self.faults), _listed(self.calls_lost)
        not_traced = _listed(self.calls_not_traced)
        return (
            f"{self.calls} calls traced, {self.streams_abandoned} streams abandoned, "
            f"{dropped} spans dropped by MLflow, "
            f"{sum(self.faults.values())} faults of tracing"
            + (f" ({faults})" if faults else "")
            + (f", {sum(self.calls_lost.values())} calls lost ({lost})" if lost else "")
            + (f", not traced: {not_traced}" if not_traced else "")
        )


def _listed(counted: dict[str, int]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in counted.items())


def _none_dropped() -> int | None:
    return 0


class Counts:
    """
    The counts of this process. All calls in all threads share one instance.

    A lock guards the counts. It is re-entrant: a signal handler may make a call while its thread
    holds the lock.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._dropped: Callable[[], int | None] = _none_dropped
        self.reset()

    def reset(self) -> None:
        """Set all counts to 0, as in a forked child."""
        with self._lock:
            self._calls = self._streams_abandoned = 0
            self._faults: Counter[str] = Counter()
            self._lost: Counter[str] = Counter()
            self._not_traced: Counter[str] = Counter()

    def use_dropped(self, dropped: Callable[[], int | None]) -> None:
        """
        Set the function that counts dropped spans.

        Args:
            dropped: Returns the number of dropped spans; None if it is unknown.
        """
        self._dropped = dropped

    def add_call(self) -> None:
        """Count a call whose span ends."""
        with self._lock:
            self._calls += 1

    def add_abandoned(self) -> None:
        """Count a stream that was not read to its end."""
        with self._lock:
            self._streams_abandoned += 1

    def add_fault(self, doing: str, error: BaseException) -> None:
        """Count an error of tracing that is swallowed."""
        with self._lock:
            self._faults[f"{doing}: {type(error).__name__}"] += 1

    def add_lost(self, reason: str) -> None:
        """Count a call whose span could not be started."""
        with self._lock:
            self._lost[reason] += 1

    def add_not_traced(self, reason: Reason) -> None:
        """Count a call that is not traced on purpose, and log the reason at debug level."""
        with self._lock:
            self._not_traced[reason.value] += 1
        logger.debug("A call of LiteLLM is not traced: %s.", reason.value)

    def health(self) -> Health:
        """Return all counts as they are now."""
        # Outside the lock: this takes the lock of the export's counts.
        dropped = self._dropped()
        with self._lock:
            return Health(
                calls=self._calls,
                faults=dict(self._faults),
                streams_abandoned=self._streams_abandoned,
                spans_dropped=dropped,
                calls_lost=dict(self._lost),
                calls_not_traced=dict(self._not_traced),
            )


counts = Counts()


def health() -> Health:
    """
    Return the counts of tracing since the process began.

    Does no I/O. Is thread-safe.
    """
    return counts.health()
