"""Which experiment a trace goes to, without asking a server on the caller's path."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import mlflow
import pytest
from callers import SyncCaller
from children import succeed
from mlflow.entities.trace_location import MlflowExperimentLocation
from mlflow.tracking import fluent

from mlflow_litellm import _experiment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from provider import LoopbackProvider
    from traces import Traces

REPORT = """
    import litellm, mlflow
    mlflow.litellm.autolog()
    {before}
    litellm.completion("gpt-4o-mini", [{{"role": "user", "content": "hi"}}], mock_response="hello")
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
    print(mlflow.get_experiment(trace.info.experiment_id).name)
"""


@pytest.mark.parametrize(
    ("environment", "before", "expected"),
    [
        ({"MLFLOW_EXPERIMENT_NAME": "by name"}, "", "by name"),
        ({"MLFLOW_EXPERIMENT_ID": "0"}, "", "Default"),
        ({"MLFLOW_EXPERIMENT_NAME": "by name"}, "mlflow.set_experiment('later')", "later"),
    ],
)
def test_environment_names_the_experiment(
    environment: dict[str, str], before: str, expected: str, tmp_path: Path
) -> None:
    """By name, which is made where it is missing, or by id; what the program sets is last."""
    out = succeed(REPORT.format(before=before), tmp_path, **environment)
    assert out.strip() == expected


@pytest.fixture
def named(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name this test's experiment in the environment, as if the program had set none."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID")
    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    name = mlflow.get_experiment(traces.experiment_id).name
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    return name


def test_name_is_looked_up_once(named: str, traces: Traces) -> None:
    """Not at every root span."""
    assert _experiment.root_experiment_id() == traces.experiment_id
    threads = threading.active_count()
    assert _experiment.root_experiment_id() == traces.experiment_id
    assert threading.active_count() == threads


def test_missing_experiment_is_made(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As MLflow does."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"{named} of another name")
    made = mlflow.get_experiment(_experiment.root_experiment_id())
    assert made.name == f"{named} of another name"


def test_child_span_is_given_no_experiment(named: str) -> None:
    """MLflow drops a child that is given one."""
    with mlflow.start_span("parent"):
        assert _experiment.root_experiment_id() is None


def test_run_comes_first(named: str) -> None:
    """A trace made during a run belongs to the run's experiment."""
    with mlflow.start_run():
        assert _experiment.root_experiment_id() is None


def test_destination_comes_first(named: str, traces: Traces) -> None:
    """``mlflow.tracing.set_destination`` outweighs the environment."""
    mlflow.tracing.set_destination(MlflowExperimentLocation("0"))
    try:
        assert _experiment.root_experiment_id() is None
    finally:
        mlflow.tracing.reset()


def test_otlp_needs_no_experiment(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where spans go to a collector alone, there may be no tracking server to ask."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/v1/traces")
    assert _experiment.root_experiment_id() is None


def lookups() -> list[threading.Thread]:
    """Return the threads that are looking an experiment up."""
    return [t for t in threading.enumerate() if t.name == "mlflow-litellm-experiment"]


@pytest.fixture
def mute_server(named: str, production: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have MLflow talk to a tracking server that takes connections and never answers."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = mlflow.get_tracking_uri()
    with socket.create_server(("127.0.0.1", 0)) as server:
        mlflow.set_tracking_uri(f"http://127.0.0.1:{server.getsockname()[1]}")
        yield
    mlflow.set_tracking_uri(store)
    for lookup in lookups():
        lookup.join(20)


def test_server_that_never_answers_is_waited_for_once(mute_server: None) -> None:
    """For three seconds in all, not for each call."""
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(_experiment.UnknownExperimentError, match="MLFLOW_EXPERIMENT_NAME"):
            _experiment.root_experiment_id()
    assert 2.9 < time.monotonic() - began < 4


def test_server_that_is_gone_is_not_waited_for(
    mute_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens on its port, which is known at once, while MLflow tries for minutes."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        mlflow.set_tracking_uri(f"http://127.0.0.1:{gone.getsockname()[1]}")
    began = time.monotonic()
    with pytest.raises(_experiment.UnknownExperimentError):
        _experiment.root_experiment_id()
    assert time.monotonic() - began < 1


def test_failed_lookup_is_tried_again_without_waiting(
    mute_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that comes back is found; one that stays away holds nobody up again."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(_experiment, "RETRY_AFTER_S", 0)
    with pytest.raises(_experiment.UnknownExperimentError):
        _experiment.root_experiment_id()
    for lookup in lookups():
        lookup.join(20)
    began = time.monotonic()
    with pytest.raises(_experiment.UnknownExperimentError):
        _experiment.root_experiment_id()
    assert time.monotonic() - began < 0.5


def test_trace_goes_to_the_named_experiment(
    named: str, traces: Traces, provider: LoopbackProvider
) -> None:
    """The whole way, from the environment to the store."""
    mlflow.litellm.autolog()
    SyncCaller(provider).complete("hello")
    assert traces.one().info.experiment_id == traces.experiment_id
