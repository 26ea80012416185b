"""
Find the experiment of a new trace without making the caller wait.

If ``MLFLOW_EXPERIMENT_NAME`` is set, MLflow asks the tracking server for the experiment's id at
every root span: 10 ms on localhost, minutes if the server is down, seconds if a local store has to
make its tables. Here the id is looked up once, in a thread of its own. A trace that starts before
the id is known has a placeholder with the name instead. The export replaces the placeholder by the
id, and waits for the lookup: in MLflow's export threads, whose queue is bounded.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import mlflow

from mlflow_litellm._common.attributes import EXPERIMENT_ID
from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.store import opening
from mlflow_litellm._tracing.store.attempts import Attempts

if TYPE_CHECKING:
    from mlflow.entities import Run, TraceInfo

    from mlflow_litellm._tracing.store.attempts import Attempt

# The prefix of a placeholder for an id that is not known yet. Ids are numbers.
_NAMED = "experiment named "


class UnknownExperimentError(Exception):
    """The experiment that the environment names does not exist, and could not be created."""


def root_run() -> Run | None:
    """Return the active run of this thread; None if it has none, or the span will not be a root."""
    # A package of MLflow's without runs, mlflow-tracing, has no such function.
    active_run = getattr(mlflow, "active_run", None)
    run: Run | None = active_run() if active_run else None
    return None if run is None or _is_below_a_span() else run


def root_experiment_id(run: Run | None = None) -> str | None:
    """
    Return the experiment id to start a root span with. Asks no server, and never waits.

    Args:
        run: The run of the trace, from `root_run`, if any. MLflow would take the experiment of the
            run that was started last in any thread.

    Returns:
        The id of the run's experiment, or from the environment, or a placeholder until the id is
        known, or MLflow's default. None if MLflow decides without a lookup, or if the span will
        not be a root: MLflow drops a child span with an experiment id.
    """
    if run is not None:
        return None if _is_sent_elsewhere() else str(run.info.experiment_id)
    # Checked first, because reading the environment takes longer.
    if mlflow_compat.has_experiment() or _is_decided_elsewhere():
        return None
    # mlflow.set_experiment() writes the id, and leaves a name that was there before: the id wins.
    if experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return experiment_id
    if name := os.environ.get("MLFLOW_EXPERIMENT_NAME"):
        return _lookup(name).value or f"{_NAMED}{name}"
    return mlflow_compat.default_experiment_id()


def wait_for_id(experiment_id: str) -> str:
    """
    Return the id of an experiment, for an export to it.

    Waits for the lookup, as long as MLflow tries to reach the server: only for threads that
    export.

    Args:
        experiment_id: The id, or its placeholder.

    Raises:
        UnknownExperimentError: The lookup failed.
    """
    if not is_pending(experiment_id):
        return experiment_id
    name = experiment_id.removeprefix(_NAMED)
    value = _lookup(name).wait()
    if value is None:
        msg = (
            f"{mlflow.get_tracking_uri()} did not return the id of the experiment {name!r}, which "
            "MLFLOW_EXPERIMENT_NAME names; check that server, or set MLFLOW_EXPERIMENT_ID"
        )
        raise UnknownExperimentError(msg)
    return value


def is_pending(experiment_id: str) -> bool:
    """Return whether an experiment id is a placeholder for an id that is not known yet."""
    return experiment_id.startswith(_NAMED)


def set_id(info: TraceInfo) -> None:
    """Replace the placeholder of a trace by the id, which `wait_for_id` returns."""
    if info.experiment_id and is_pending(info.experiment_id):
        info.experiment_id = wait_for_id(info.experiment_id)


def set_id_if_known(span: Any) -> None:
    """Replace the placeholder of the trace of a root span that is about to end, if known by now."""
    manager = mlflow_compat.trace_manager()
    if not _lookups or span.parent_id is not None or manager is None:
        return
    with manager.get_trace(span.trace_id) as trace:
        info = trace and trace.info
        if info and info.experiment_id and is_pending(info.experiment_id):
            value = _lookup(info.experiment_id.removeprefix(_NAMED)).value
            if value:
                info.experiment_id = value
                span.set_attribute(EXPERIMENT_ID, value)


def _is_decided_elsewhere() -> bool:
    """Return whether MLflow finds the experiment, or needs none, without asking a server."""
    return _is_below_a_span() or _is_sent_elsewhere() or mlflow_compat.has_run()


def _is_sent_elsewhere() -> bool:
    return mlflow_compat.has_destination() or mlflow_compat.exports_to_otlp_only()


def _is_below_a_span() -> bool:
    parent = mlflow_compat.current_otel_span()
    # MLflow replaces a span that it drops by a span without a context.
    context = None if parent is None else parent.get_span_context()
    return context is not None and bool(context.is_valid)


# By the store's address and the experiment's name.
_lookups: Attempts[tuple[str, str], str] = Attempts("mlflow-litellm-experiment")


def _lookup(name: str) -> Attempt[str]:
    return _lookups.begun((mlflow.get_tracking_uri(), name), partial(_look_up, name))


def _look_up(name: str) -> str | None:
    with guard(f"looking up the experiment {name!r}"):
        return _get_or_create(name)
    return None


def _get_or_create(name: str) -> str:
    # Without this, MLflow would try to open a database that is down a second time.
    opening.opened(mlflow.get_tracking_uri())
    client = mlflow_compat.client()
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    try:
        return str(client.create_experiment(name))
    except Exception:
        # Another process may have created it meanwhile.
        if experiment := client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        raise
