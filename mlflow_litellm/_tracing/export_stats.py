"""
Count the spans that MLflow sent, and the spans that it dropped.

MLflow does not count the spans that it drops: from its buffer of traces, from its two queues, and
when the server refuses them. It sends through two methods: one for spans as they end, then one for
the trace, again with the spans that are not stored yet. A span that passed one of the methods was
sent. A span that passed neither, and is no longer in memory, was dropped.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import format_trace_id

from mlflow_litellm._tracing.health import counts
from mlflow_litellm._tracing.mlflow_compat import otel_span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow.entities import TraceInfo

# The tag of a stored trace, and its value if the spans are in the tracking store. MLflow's
# constants for them are not public.
SPANS_LOCATION = "mlflow.trace.spansLocation"
TRACKING_STORE = "TRACKING_STORE"


class ExportStats:
    """
    The counts of ended and sent spans. Calls and MLflow's export threads share one instance.

    A lock guards the counts. It is re-entrant: a signal handler may make a call while its thread
    holds the lock.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ended = self._sent = 0
        # OpenTelemetry's spans: on the way to the exporter, MLflow wraps the same one in new
        # objects.
        self._pending: weakref.WeakSet[Any] = weakref.WeakSet()
        # Whether spans are sent through the two methods: exporters to collectors use others.
        self._is_known = False
        # Whether MLflow's methods are patched: otherwise, sent spans cannot be counted.
        self._is_watched = False

    def watch(self) -> None:
        """Count spans from now on: MLflow's methods are patched."""
        self._is_watched = True

    def track(self, span: object) -> None:
        """Count a span that is about to be passed to MLflow's exporter."""
        with self._lock:
            ended = otel_span(span)
            # A span whose end is interrupted ends again.
            if self._is_watched and ended not in self._pending:
                self._pending.add(ended)
                self._ended += 1

    def add_sent(self, spans: Iterable[Any]) -> None:
        """Count spans of MLflow's that it has sent."""
        self._account(map(otel_span, spans), sent=True)

    def add_trace(self, trace: TraceInfo, stored: TraceInfo | None) -> None:
        """
        Count the spans of a trace, if MLflow has sent them with the trace.

        Args:
            trace: The trace, as MLflow has sent it.
            stored: The trace, as the server has stored it; None if the server did not take it.
        """
        if stored is None or not _has_spans(stored):
            with self._lock:
                pending = list(self._pending)
            ids = ((span, format_trace_id(span.context.trace_id)) for span in pending)
            ours = (span for span, trace_id in ids if trace.trace_id.endswith(trace_id))
            self._account(ours, sent=stored is not None)

    def pending(self) -> int:
        """Return the number of spans that MLflow has not sent yet."""
        with self._lock:
            return len(self._pending)

    def dropped(self) -> int | None:
        """Return the number of spans that MLflow dropped; None if unknown, as with collectors."""
        with self._lock:
            missing = self._ended - self._sent - len(self._pending)
        return missing if self._is_known or not missing else None

    def stop(self) -> None:
        """Stop counting: pending spans, and spans that end from now on, are not counted."""
        with self._lock:
            self._is_watched = False
            self._ended -= len(self._pending)
            self._pending.clear()

    def reset_after_fork(self) -> None:
        """Set all counts to 0 in a forked child: its parent sends the pending spans."""
        with self._lock:
            self._ended = self._sent = 0
            self._pending.clear()

    def _account(self, spans: Iterable[Any], *, sent: bool) -> None:
        with self._lock:
            self._is_known = True
            ours = [span for span in spans if span in self._pending]
            self._sent += len(ours) if sent else 0
            self._pending.difference_update(ours)


def _has_spans(stored: TraceInfo) -> bool:
    return stored.tags.get(SPANS_LOCATION) == TRACKING_STORE


stats = ExportStats()
counts.use_dropped(stats.dropped)
