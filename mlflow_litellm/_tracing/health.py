"""Tracing's own health: what was traced, swallowed and lost since the process began."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
    """

    calls: int
    faults: dict[str, int]
    streams_abandoned: int
    spans_dropped: int | None
    calls_lost: dict[str, int] = field(default_factory=dict)

    @property
    def has_losses(self) -> bool:
        """Whether anything is missing in the traces."""
        return bool(self.faults or self.spans_dropped or self.calls_lost)

    def __str__(self) -> str:
        dropped = "unknown" if self.spans_dropped is None else self.spans_dropped
        faults, lost = _listed(self.faults), _listed(self.calls_lost)
        return (
            f"{self.calls} calls traced, {self.streams_abandoned} streams abandoned, "
            f"{dropped} spans dropped by MLflow, "
            f"{sum(self.faults.values())} faults of tracing"
            + (f" ({faults})" if faults else "")
            + (f", {sum(self.calls_lost.values())} calls lost ({lost})" if lost else "")
        )


def _listed(counted: dict[str, int]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in counted.items())


# Re-entrant, as a signal's handler may make a call while this is held.
_lock = threading.RLock()
_counts: Counter[str] = Counter()
_faults: Counter[str] = Counter()
_lost: Counter[str] = Counter()


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
        return Health(calls, dict(_faults), abandoned, dropped, dict(_lost))


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


def _count(counts: Counter[str], what: str) -> None:
    with _lock:
        counts[what] += 1


def reset() -> None:
    """Begin anew, as in a forked child."""
    with _lock:
        _counts.clear()
        _faults.clear()
        _lost.clear()
