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

from mlflow_litellm._common.patching import Patch
from mlflow_litellm._tracing import health, mlflow_compat
from mlflow_litellm._tracing.export_lock import ExportLock
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.mlflow_compat import otel_span
from mlflow_litellm._tracing.store import experiment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow.entities import TraceInfo

# The tag of a stored trace, and its value if the spans are in the tracking store. MLflow's
# constants for them are not public.
SPANS_LOCATION = "mlflow.trace.spansLocation"
TRACKING_STORE = "TRACKING_STORE"

# Re-entrant: a signal handler may make a call while this thread holds the lock.
_lock = threading.RLock()
_ended = 0
_sent = 0
# OpenTelemetry's spans: on the way to the exporter, MLflow wraps the same one in new objects.
_pending: weakref.WeakSet[Any] = weakref.WeakSet()
# Whether spans are sent through the two methods: exporters to collectors use others.
_is_known = False
# Whether MLflow's methods are patched: otherwise, sent spans cannot be counted.
_is_watched = False

# Held while spans are sent. Writing a trace to a local store takes about 10 ms.
exporting = ExportLock(patience=5.0)


def export_patches() -> list[Patch]:
    """Return the patches of the methods by which MLflow sends spans and traces."""
    client = mlflow_compat.TRACING_CLIENT.find()
    if client is None:
        return []
    return [
        Patch(client, "log_spans", _log_spans, lambda: True),
        Patch(client, "start_trace", _start_trace, lambda: True),
    ]


def track(span: Any) -> None:
    """Count a span that is about to be passed to MLflow's exporter."""
    global _ended
    with _lock:
        expected = otel_span(span)
        # A span whose end is interrupted ends again.
        if _is_watched and expected not in _pending:
            _pending.add(expected)
            _ended += 1


def pending() -> int:
    """Return the number of spans that MLflow has not sent yet."""
    with _lock:
        return len(_pending)


def dropped() -> int | None:
    """Return the number of spans that MLflow dropped; None if unknown, as with collectors."""
    with _lock:
        missing = _ended - _sent - len(_pending)
    return missing if _is_known or not missing else None


health.count_dropped_by(dropped)


def watch() -> None:
    """Count spans from now on: MLflow's methods are patched."""
    global _is_watched
    _is_watched = True


def reset() -> None:
    """Stop counting: pending spans, and spans that end from now on, are not counted."""
    global _ended, _is_watched
    with _lock:
        _is_watched = False
        _ended -= len(_pending)
        _pending.clear()


def reset_after_fork() -> None:
    """Set all counts to 0 in a forked child: its parent sends the pending spans."""
    global _ended, _sent
    with _lock:
        _ended = _sent = 0
        _pending.clear()


def _log_spans(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    arguments = {**dict(zip(("location", "spans"), args, strict=False)), **kwargs}
    # If this fails, MLflow sends the spans with the trace.
    arguments["location"] = experiment.known_id(arguments["location"])
    with exporting:
        result = wrapped(**arguments)
    with guard("counting spans that were sent"):
        _account(map(otel_span, arguments["spans"]), sent=True)
    return result


def _start_trace(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    sent = kwargs["trace_info"] if "trace_info" in kwargs else args[0]
    info = None
    try:
        experiment.complete(sent)
        with exporting:
            info = wrapped(*args, **kwargs)
    finally:
        with guard("counting spans of a trace"):
            _account_trace(sent, info)
    return info


def _account_trace(sent: TraceInfo, stored: TraceInfo | None) -> None:
    if stored is None or not _has_spans(stored):
        with _lock:
            pending = list(_pending)
        ours = (s for s in pending if sent.trace_id.endswith(format_trace_id(s.context.trace_id)))
        _account(ours, sent=stored is not None)


def _has_spans(stored: TraceInfo) -> bool:
    return stored.tags.get(SPANS_LOCATION) == TRACKING_STORE


def _account(spans: Iterable[Any], *, sent: bool) -> None:
    global _sent, _is_known
    with _lock:
        _is_known = True
        ours = [span for span in spans if span in _pending]
        _sent += len(ours) if sent else 0
        _pending.difference_update(ours)
