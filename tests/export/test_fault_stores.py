"""Wherever traces cannot be stored, the caller sees what it sees untraced, and the program ends."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from faults import Ways
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracing.provider import get_bridged_tracer_provider
from opentelemetry.sdk.trace import SpanProcessor
from stores import REPLIES, faulty_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from provider import LoopbackProvider
    from traces import Traces

# So that giving up takes no minutes.
IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
    "MLFLOW_ASYNC_TRACE_LOGGING_RETRY_TIMEOUT": "2",
}


class StoreBrokenError(Exception):
    """What the broken store raises."""


def broken(*_: Any, **__: Any) -> Any:
    """Stand in for anything that fails to store."""
    raise StoreBrokenError


@pytest.fixture(scope="module")
def ways(provider: LoopbackProvider) -> Ways:
    """Return every way to call, with what is seen of each untraced."""
    return Ways(provider)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have MLflow give up soon."""
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def own_store(tracing: Traces) -> Iterator[str]:
    """Return the address of the tests' store, to which MLflow's goes back."""
    uri = mlflow.get_tracking_uri()
    yield uri
    mlflow.set_tracking_uri(uri)


@pytest.fixture
def dead() -> str:
    """Name a server on loopback that is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


# Here each call waits for the store, and its faults come up in the caller's own thread.
@pytest.mark.parametrize("fault", [name for name, reply in REPLIES.items() if reply is not None])
def test_bad_answers_of_a_store_are_not_the_callers(
    fault: str, ways: Ways, own_store: str, impatient: None, tracing: Traces, production: None
) -> None:
    """And once there is a good one, calls are traced."""
    with faulty_store(REPLIES[fault]) as store:
        mlflow.set_tracking_uri(store.uri)
        assert ways.differing() == {}
        assert store.requests
    mlflow.set_tracking_uri(own_store)
    ways.assert_traced(tracing)


def test_server_that_is_gone_is_not_the_callers(
    dead: str, ways: Ways, own_store: str, impatient: None, tracing: Traces, production: None
) -> None:
    """Nobody listens on its port."""
    mlflow.set_tracking_uri(dead)
    assert ways.differing() == {}
    mlflow.set_tracking_uri(own_store)
    ways.assert_traced(tracing)


def test_store_that_takes_nothing_is_not_the_callers(
    ways: Ways,
    own_store: str,
    tracing: Traces,
    production: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a database on a disk that is mounted to be read alone."""
    # Of such an address MLflow makes a folder where it is.
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(
        f"{own_store.replace('sqlite:///', 'sqlite:///file:')}?mode=ro&uri=true"
    )
    assert ways.differing() == {}
    mlflow.set_tracking_uri(own_store)
    ways.assert_traced(tracing)


@pytest.mark.parametrize("method", ["start_trace", "log_spans"])
def test_store_that_raises_is_not_the_callers(
    method: str, ways: Ways, tracing: Traces, production: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's own client, in the caller's thread."""
    with monkeypatch.context() as patched:
        patched.setattr(SqlAlchemyStore, method, broken)
        assert ways.differing() == {}
    ways.assert_traced(tracing)


class Broken(SpanProcessor):
    """A processor of OpenTelemetry's that fails: `method` does."""

    def __init__(self, method: str) -> None:
        setattr(self, method, broken)


@pytest.mark.parametrize("method", ["on_start", "on_end"])
def test_processor_of_opentelemetrys_that_raises_is_not_the_callers(
    method: str, ways: Ways, tracing: Traces, production: None
) -> None:
    """An exporter that is not MLflow's stands behind one."""
    get_bridged_tracer_provider().add_span_processor(Broken(method))
    try:
        assert ways.differing() == {}
    finally:
        mlflow.tracing.reset()
    ways.assert_traced(tracing)


def test_span_processor_that_raises_is_not_the_callers(
    ways: Ways, tracing: Traces, production: None
) -> None:
    """The user's own, as masks what is recorded."""
    mlflow.tracing.configure(span_processors=[broken])
    try:
        assert ways.differing() == {}
    finally:
        mlflow.tracing.reset()
    ways.assert_traced(tracing)
