"""
Finds the experiment of a new trace without making the caller wait for a server.

With ``MLFLOW_EXPERIMENT_ID`` or ``MLFLOW_EXPERIMENT_NAME`` in the environment, MLflow asks the
tracking server about it at every root span: 10 ms on localhost, minutes with the server down.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import mlflow
from mlflow.environment_variables import MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT
from mlflow.tracing import provider
from mlflow.tracing.utils import otlp
from mlflow.tracking import fluent

from mlflow_litellm._guard import guard

# How long the first calls of a process may wait for the lookup of a name, all together: not at
# all for a server that is gone; a local store may have its tables to make.
PATIENCE_S = 3.0
LOCAL_PATIENCE_S = 10.0
LOCAL_STORES = ("sqlite:", "file:", "/", ".")
# How long after a failed lookup the next call starts another.
RETRY_AFTER_S = 30.0


class UnknownExperimentError(Exception):
    """The experiment named in the environment is not known yet."""


def root_experiment_id() -> str | None:
    """
    Return the experiment id to start a root span with.

    Returns:
        The id that the environment asks for, or None where MLflow decides without a lookup, and
        where the span will not be a root: MLflow drops a child span that is given an id.

    Raises:
        UnknownExperimentError: A name is in the environment and the server has not told its id
            within three seconds (a local store: ten), which is waited for once.
    """
    experiment_id = os.environ.get("MLFLOW_EXPERIMENT_ID")
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    if not (experiment_id or name) or _decided_elsewhere():
        return None
    # mlflow.set_experiment() writes the id, and leaves a name that was there before: the id wins.
    return experiment_id or _lookup(name or "").wait()


def _decided_elsewhere() -> bool:
    """Tell whether MLflow will find the experiment, or need none, without asking a server."""
    # Not through mlflow.set_experiment(), which is public but looks the experiment up.
    if getattr(fluent, "_active_experiment_id", None) is not None:
        return True
    parent = provider.get_current_otel_span()
    # The span that MLflow puts in the place of one it drops has no context at all.
    context = None if parent is None else parent.get_span_context()
    if context is not None and context.is_valid:
        return True
    return _has_destination() or _has_run() or exports_to_otlp_only()


class _Lookup(threading.Thread):
    """One lookup of an experiment's id by name, in a thread of its own."""

    def __init__(self, name: str, patience: float) -> None:
        super().__init__(name="mlflow-litellm-experiment", daemon=True)
        self._experiment = name
        self._patience = patience
        self._started_at = time.monotonic()
        self._id: str | None = None
        self._ended = False
        self._worth_no_wait = threading.Event()

    def run(self) -> None:
        try:
            with guard(f"looking up the experiment {self._experiment!r}"):
                if not _listens(mlflow.get_tracking_uri()):
                    # MLflow may still reach it, through a proxy or after some of its retries.
                    self._worth_no_wait.set()
                self._id = _get_or_create(self._experiment)
        finally:
            self._ended = True
            self._worth_no_wait.set()

    @property
    def stale(self) -> bool:
        """Whether the lookup failed, long enough ago to try again."""
        failed = self._ended and self._id is None
        return failed and time.monotonic() - self._started_at > RETRY_AFTER_S

    def wait(self) -> str:
        """Return the id, waiting for it until `patience` seconds after the lookup began."""
        if (left := self._started_at + self._patience - time.monotonic()) > 0:
            self._worth_no_wait.wait(left)
        if self._id is None:
            msg = (
                f"the tracking server {mlflow.get_tracking_uri()} has not told the id of the "
                f"experiment {self._experiment!r} that MLFLOW_EXPERIMENT_NAME asks for"
            )
            raise UnknownExperimentError(msg)
        return self._id


_lookups: dict[tuple[int, str, str], _Lookup] = {}
_lock = threading.Lock()


def _lookup(name: str) -> _Lookup:
    # By process as well: a fork copies the lookup, but not the thread that would end it.
    key = (os.getpid(), mlflow.get_tracking_uri(), name)
    with _lock:
        lookup = _lookups.get(key)
        if lookup is None or lookup.stale:
            patience = LOCAL_PATIENCE_S if key[1].startswith(LOCAL_STORES) else PATIENCE_S
            # Only the first is waited for: with a server that stays away, nobody waits again.
            lookup = _Lookup(name, patience if lookup is None else 0)
            lookup.start()
            _lookups[key] = lookup
    return lookup


def _listens(uri: str) -> bool:
    """Tell whether there is a server to wait for; of what is no URL of one, that there is."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        return True
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), PATIENCE_S).close()
    except OSError:
        return False
    return True


def _get_or_create(name: str) -> str:
    client = _client()
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    try:
        return str(client.create_experiment(name))
    except Exception:
        # Another process may have created it meanwhile.
        if experiment := client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        raise


# What follows has no public name in MLflow. Each is looked up by feature; without it MLflow
# decides as it would have, or the nearest public name answers.


def _client() -> Any:
    if client := getattr(mlflow, "MlflowClient", None):
        return client()
    # With mlflow-tracing alone there is no MlflowClient, and MLflow's own lookup fails.
    from mlflow.tracking._tracking_service.client import TrackingServiceClient

    return TrackingServiceClient(mlflow.get_tracking_uri())


def _has_destination() -> bool:
    destination = getattr(provider, "_MLFLOW_TRACE_USER_DESTINATION", None)
    return destination is not None and destination.get() is not None


def _has_run() -> bool:
    # The public active_run() knows only this thread's run; traces go to any thread's.
    latest = getattr(fluent, "_get_latest_active_run", mlflow.active_run)
    return latest() is not None


def trace_exporter() -> Any:
    """Return what MLflow sends traces by; None where that has moved, or there is none."""
    return getattr(provider, "_get_trace_exporter", lambda: None)()


def span_processor() -> Any:
    """Return what ended spans wait in for MLflow's exporter; None where they go by another way."""
    from mlflow.tracing.processor.base_mlflow import BaseMlflowSpanProcessor

    found = getattr(provider, "_get_span_processor", lambda: None)()
    return found if isinstance(found, BaseMlflowSpanProcessor) else None


def exports_to_otlp_only() -> bool:
    """Tell whether traces go to an OpenTelemetry collector, and to no store of MLflow's."""
    if MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT.get() or _has_destination():
        return False
    return bool(getattr(otlp, "should_use_otlp_exporter", bool)())
