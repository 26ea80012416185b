"""If traces cannot be stored, calls behave as untraced, and the program ends."""

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

# Otherwise MLflow retries for minutes.
IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
    "MLFLOW_ASYNC_TRACE_LOGGING_RETRY_TIMEOUT": "2",
}


class StoreBrokenError(Exception):
    """The exception that the broken store raises."""


def broken(*_: Any, **__: Any) -> Any:
    """Replace a function of the store by one that fails."""
    raise StoreBrokenError


@pytest.fixture(scope="module")
def ways(provider: LoopbackProvider) -> Ways:
    """Return every way to call LiteLLM, with its untraced outcome."""
    return Ways(provider)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make MLflow give up soon."""
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def own_store(tracing: Traces) -> Iterator[str]:
    """Return the address of the tests' store, and restore it in MLflow after the test."""
    uri = mlflow.get_tracking_uri()
    yield uri
    mlflow.set_tracking_uri(uri)


@pytest.fixture
def dead() -> str:
    """Return the address of a stopped server on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


# In these tests each call waits for the store, whose errors are raised in the caller's thread.
@pytest.mark.parametrize("fault", [name for name, reply in REPLIES.items() if reply is not None])
def test_bad_answers_of_a_store_are_not_the_callers(
    fault: str, ways: Ways, own_store: str, impatient: None, tracing: Traces, production: None
) -> None:
    """Error responses of a store do not reach the caller, and calls are traced once it works."""
    with faulty_store(REPLIES[fault]) as store:
        mlflow.set_tracking_uri(store.uri)
        assert ways.differing() == {}
        assert store.requests
    mlflow.set_tracking_uri(own_store)
    ways.assert_traced(tracing)


def test_server_that_is_gone_is_not_the_callers(
    dead: str, ways: Ways, own_store: str, impatient: None, tracing: Traces, production: None
) -> None:
    """A stopped server does not affect the calls."""
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
    """A read-only database does not affect the calls."""
    # MLflow makes a folder for such an address in the current directory.
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
    """Exceptions of MLflow's client in the caller's thread do not reach the caller."""
    with monkeypatch.context() as patched:
        patched.setattr(SqlAlchemyStore, method, broken)
        assert ways.differing() == {}
    ways.assert_traced(tracing)


class Broken(SpanProcessor):
    """An OpenTelemetry processor whose `method` fails."""

    def __init__(self, method: str) -> None:
        setattr(self, method, broken)


@pytest.mark.parametrize("method", ["on_start", "on_end"])
def test_processor_of_opentelemetrys_that_raises_is_not_the_callers(
    method: str, ways: Ways, tracing: Traces, production: None
) -> None:
    """An exception of an OpenTelemetry processor, used by exporters, does not reach the caller."""
    get_bridged_tracer_provider().add_span_processor(Broken(method))
    try:
        assert ways.differing() == {}
    finally:
        mlflow.tracing.reset()
    ways.assert_traced(tracing)


def test_span_processor_that_raises_is_not_the_callers(
    ways: Ways, tracing: Traces, production: None
) -> None:
    """An exception of the user's own span processor does not reach the caller."""
    mlflow.tracing.configure(span_processors=[broken])
    try:
        assert ways.differing() == {}
    finally:
        mlflow.tracing.reset()
    ways.assert_traced(tracing)
