"""Fixtures: a loopback provider, a real MLflow store, and tracing for the time of a test."""

from __future__ import annotations

import os

# MLflow and LiteLLM read these variables when they are imported. Export is synchronous so that a
# test can read its traces at once; tests of the default export run in processes of their own.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["MLFLOW_AUTOLOGGING_TESTING"] = "true"
os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callers import Caller
    from processes import Provider, TrackingServer
    from provider import LoopbackProvider
    from traces import Traces


@pytest.fixture(scope="session")
def _store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Keep the traces of all tests in one SQLite store: its tables take seconds to create."""
    import mlflow
    import sqlalchemy

    # The collection after each test skips the objects that exist by now.
    gc.freeze()
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _never_wait_for_the_disk)
    uri = f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    return uri


def _never_wait_for_the_disk(connection: Any, _: object) -> None:
    """Make SQLite write no journal to disk: no store of these tests has to survive a power cut."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


@pytest.fixture(scope="session", autouse=True)
def _store_of_calls(request: pytest.FixtureRequest) -> None:
    """Send the traces of calls that no test reads back to the store as well."""
    if "litellm" in sys.modules:
        request.getfixturevalue("_store")


@pytest.fixture(scope="session")
def provider() -> Iterator[LoopbackProvider]:
    """Serve OpenAI's and Anthropic's formats on loopback."""
    from callers import AsyncCaller
    from provider import LoopbackProvider

    with LoopbackProvider() as server:
        yield server
    AsyncCaller.stop()


@pytest.fixture(scope="session")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Serve OpenAI's and Anthropic's formats from a process of its own."""
    from processes import Provider, running

    with running(Provider(tmp_path_factory.mktemp("provider"))) as started:
        yield started


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """Run an MLflow server."""
    from processes import TrackingServer, running

    with running(TrackingServer(tmp_path_factory.mktemp("tracking"))) as started:
        yield started


@pytest.fixture
def traces(tmp_path: Path, _store: str) -> Traces:
    """Give each test an experiment of its own, and return a reader of its traces."""
    import mlflow
    from traces import Traces

    experiment = mlflow.set_experiment(str(tmp_path))
    return Traces(experiment.experiment_id)


@pytest.fixture
def tracing(traces: Traces) -> Traces:
    """Switch tracing on for a test; return a reader of the traces."""
    import slate

    slate.switch_on()
    return traces


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest, provider: LoopbackProvider) -> Caller:
    """Call LiteLLM synchronously and asynchronously from one test."""
    from callers import AsyncCaller, SyncCaller

    return SyncCaller(provider) if request.param == "sync" else AsyncCaller(provider)


@pytest.fixture
def litellm_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make LiteLLM cache the responses to calls with ``caching=True``."""
    import litellm

    monkeypatch.setattr(litellm, "cache", litellm.Cache(type="local"))


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suppress errors of tracing, as outside tests."""
    monkeypatch.delenv("MLFLOW_AUTOLOGGING_TESTING")


_next_is_traced = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Look whether the next test, if it is of the same file, has tracing on as well."""
    fixtures = getattr(nextitem, "fixturenames", ())
    item.stash[_next_is_traced] = bool(
        nextitem and nextitem.path == item.path and "tracing" in fixtures
    )


@pytest.fixture(autouse=True)
def _clean_slate(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin unconfigured; fail a test that leaves a span current or LiteLLM changed."""
    # Tests of pure functions import neither LiteLLM nor MLflow: each import takes seconds.
    if "litellm" not in sys.modules:
        yield
        return
    import slate

    with slate.clean(next_is_traced=request.node.stash[_next_is_traced]):
        yield
