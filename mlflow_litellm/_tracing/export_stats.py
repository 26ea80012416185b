"""
Tells the spans that MLflow sent from those that it dropped.

It drops at four places, without count: from its buffer of traces, from either of its two queues,
and where the server does not take what it sends. What it sends passes one of two methods: spans as
they end, and then the trace, with those spans again that are not stored yet. A span that has passed
one was sent; one that has not, and is nowhere in memory any more, was dropped.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import format_trace_id

from mlflow_litellm._common.patching import Patch
from mlflow_litellm._tracing import attributes, health, mlflow_compat
from mlflow_litellm._tracing.export_lock import ExportLock
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.mlflow_compat import otel_span
from mlflow_litellm._tracing.store import experiment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow.entities import TraceInfo

# Re-entrant, as a signal's handler may make a call while this is held.
_lock = threading.RLock()
_ended = 0
_sent = 0
# OpenTelemetry's, which MLflow's own change hands with on their way.
_pending: weakref.WeakSet[Any] = weakref.WeakSet()
# Not known before something is sent: exporters to collectors send by other ways.
_is_known = False
# Whether MLflow's methods are patched: what is sent while they are not passes unseen.
_is_watched = False

# What is being sent is inside. Writing a trace to a local store takes some 10 ms.
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
    """Count a span that MLflow is about to be given, to be sent."""
    global _ended
    with _lock:
        expected = otel_span(span)
        # It ends again, if its end is interrupted.
        if _is_watched and expected not in _pending:
            _pending.add(expected)
            _ended += 1


def pending() -> int:
    """Return how many spans MLflow still has to send."""
    with _lock:
        return len(_pending)


def dropped() -> int | None:
    """Return how many spans MLflow has neither sent nor still has; None where that is not told."""
    with _lock:
        missing = _ended - _sent - len(_pending)
    return missing if _is_known or not missing else None


health.count_dropped_by(dropped)


def watch() -> None:
    """Count spans from now on, as MLflow's methods are patched."""
    global _is_watched
    _is_watched = True


def reset() -> None:
    """Leave aside what waits, and what ends from now on: what becomes of it is not told."""
    global _ended, _is_watched
    with _lock:
        _is_watched = False
        _ended -= len(_pending)
        _pending.clear()


def reset_after_fork() -> None:
    """Begin anew, as in a forked child, whose parent sends what waits."""
    global _ended, _sent
    with _lock:
        _ended = _sent = 0
        _pending.clear()


def _log_spans(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    given = {**dict(zip(("location", "spans"), args, strict=False)), **kwargs}
    # Where this fails, MLflow sends the spans with the trace.
    given["location"] = experiment.known_id(given["location"])
    with exporting:
        result = wrapped(**given)
    with guard("counting spans that were sent"):
        _account(map(otel_span, given["spans"]), sent=True)
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
    return stored.tags.get(attributes.SPANS_LOCATION) == attributes.TRACKING_STORE


def _account(spans: Iterable[Any], *, sent: bool) -> None:
    global _sent, _is_known
    with _lock:
        _is_known = True
        ours = [span for span in spans if span in _pending]
        _sent += len(ours) if sent else 0
        _pending.difference_update(ours)
