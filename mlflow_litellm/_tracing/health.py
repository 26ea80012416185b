"""Tracing's own health: what was traced, swallowed and lost since the process began."""

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
    """Why a call is not traced."""

    OFF = "tracing is off"
    INTERNAL = "internal call of LiteLLM"
    BY_MLFLOW = "made by MLflow itself, such as a judge"
    NOT_SAMPLED = "not sampled, or MLflow's tracing is disabled"


@dataclass(frozen=True)
class Health:
    """
    What tracing did since the process began; a forked child begins anew.

    Attributes:
        calls: Calls whose span has ended; attempts and routes count, each as one.
        faults: Errors of tracing that were swallowed: what it was doing, and the type of error,
            such as ``"ending a span: ValueError"``, to how often.
        streams_abandoned: Streams that were closed, dropped or still held at the end.
        spans_dropped: Spans of those calls that MLflow neither sent nor still has: its queue was
            full, or the server did not take them. None where that cannot be told, as with
            Databricks and with OpenTelemetry collectors.
        calls_lost: Calls of which there is no trace, as MLflow could not start their span: the
            type of the error, to how often. They are not among `calls`.
        calls_not_traced: Calls that were not to be traced: the reason, to how often. The reasons
            are the texts of :class:`Reason`. They are not among `calls`.
    """

    calls: int
    faults: dict[str, int]
    streams_abandoned: int
    spans_dropped: int | None
    calls_lost: dict[str, int] = field(default_factory=dict)
    calls_not_traced: dict[str, int] = field(default_factory=dict)

    @property
    def has_losses(self) -> bool:
        """Whether anything is missing in the traces."""
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


# Re-entrant, as a signal's handler may make a call while this is held.
_lock = threading.RLock()
_counts: Counter[str] = Counter()
_faults: Counter[str] = Counter()
_lost: Counter[str] = Counter()
_not_traced: Counter[str] = Counter()


def _nothing_sent() -> int | None:
    return 0


_count_dropped: Callable[[], int | None] = _nothing_sent


def count_dropped_by(count: Callable[[], int | None]) -> None:
    """
    Take the number of dropped spans from what accounts for exports.

    Args:
        count: Returns that number; None if it is not known.
    """
    global _count_dropped
    _count_dropped = count


def health() -> Health:
    """
    Return what tracing did since the process began.

    Does no I/O. Is thread-safe.
    """
    dropped = _count_dropped()
    with _lock:
        calls, abandoned = _counts["calls"], _counts["streams abandoned"]
        return Health(calls, dict(_faults), abandoned, dropped, dict(_lost), dict(_not_traced))


def count_call() -> None:
    """Count a call whose span ends."""
    _count(_counts, "calls")


def count_abandoned() -> None:
    """Count a stream that was not read to its end."""
    _count(_counts, "streams abandoned")


def count_fault(doing: str, error: Exception) -> None:
    """Count an error of tracing that is swallowed."""
    _count(_faults, f"{doing}: {type(error).__name__}")


def count_lost(reason: str) -> None:
    """Count a call whose span could not be started."""
    _count(_lost, reason)


def count_not_traced(reason: Reason) -> None:
    """Count a call that is not to be traced, and log the reason at debug level."""
    _count(_not_traced, reason.value)
    logger.debug("A call of LiteLLM is not traced: %s.", reason.value)


def _count(counts: Counter[str], what: str) -> None:
    with _lock:
        counts[what] += 1


def reset() -> None:
    """Begin anew, as in a forked child."""
    with _lock:
        _counts.clear()
        _faults.clear()
        _lost.clear()
        _not_traced.clear()
