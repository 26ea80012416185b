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
from urllib.parse import urlsplit

import mlflow
from mlflow.tracing import provider

from mlflow_litellm import _internals
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
    # Asked first, as reading the environment takes longer.
    if _internals.has_experiment():
        return None
    experiment_id = os.environ.get("MLFLOW_EXPERIMENT_ID")
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    if not (experiment_id or name) or _decided_elsewhere():
        return None
    # mlflow.set_experiment() writes the id, and leaves a name that was there before: the id wins.
    return experiment_id or _lookup(name or "").wait()


def _decided_elsewhere() -> bool:
    """Tell whether MLflow will find the experiment, or need none, without asking a server."""
    parent = provider.get_current_otel_span()
    # The span that MLflow puts in the place of one it drops has no context at all.
    context = None if parent is None else parent.get_span_context()
    if context is not None and context.is_valid:
        return True
    return _internals.has_destination() or _internals.has_run() or _internals.exports_to_otlp_only()


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
    client = _internals.client()
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    try:
        return str(client.create_experiment(name))
    except Exception:
        # Another process may have created it meanwhile.
        if experiment := client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        raise
