"""Fixtures: a loopback provider, a real MLflow store, tracing on and off again."""

from __future__ import annotations

import os

# Before MLflow and LiteLLM are imported, which read them then. Export is synchronous so that a
# test reads what it wrote at once; tests of the default export run in processes of their own.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["MLFLOW_AUTOLOGGING_TESTING"] = "true"
os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import litellm
import mlflow
import pytest
from callers import AsyncCaller, SyncCaller
from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS
from processes import Provider, TrackingServer, running
from provider import LoopbackProvider
from traces import Traces

from mlflow_litellm import _autolog
from mlflow_litellm._doors import DOORS
from mlflow_litellm._patching import holder_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callers import Caller

litellm.suppress_debug_info = True
logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


@pytest.fixture(scope="session", autouse=True)
def _store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Keep the traces of all tests in one SQLite store, as its tables take seconds to make."""
    # What is imported by now is passed over by the collection after each test.
    gc.freeze()
    uri = f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    return uri


@pytest.fixture(scope="session")
def provider() -> Iterator[LoopbackProvider]:
    """Serve OpenAI's and Anthropic's formats on loopback."""
    with LoopbackProvider() as server:
        yield server
    AsyncCaller.stop()


@pytest.fixture(scope="session")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Serve OpenAI's and Anthropic's formats from a process of its own."""
    with running(Provider(tmp_path_factory.mktemp("provider"))) as started:
        yield started


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """Run an MLflow server."""
    with running(TrackingServer(tmp_path_factory.mktemp("tracking"))) as started:
        yield started


@pytest.fixture
def traces(tmp_path: Path) -> Traces:
    """Give each test an experiment of its own, to read traces back from."""
    experiment = mlflow.set_experiment(str(tmp_path))
    return Traces(experiment.experiment_id)


@pytest.fixture
def tracing(traces: Traces) -> Iterator[Traces]:
    """Switch tracing on for a test, and off after it; gives what reads the traces back."""
    mlflow.litellm.autolog()
    yield traces
    mlflow.litellm.autolog(disable=True)


@pytest.fixture(params=[SyncCaller, AsyncCaller], ids=["sync", "async"])
def caller(request: pytest.FixtureRequest, provider: LoopbackProvider) -> Caller:
    """Call LiteLLM both ways from one test."""
    return request.param(provider)


@pytest.fixture
def litellm_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have LiteLLM cache what is asked with ``caching=True``."""
    monkeypatch.setattr(litellm, "cache", litellm.Cache(type="local"))


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have errors of tracing swallowed, as they are outside tests."""
    monkeypatch.delenv("MLFLOW_AUTOLOGGING_TESTING")


def _patched_names() -> list[object]:
    holders = [holder_of(litellm, door.name) for door in DOORS]
    doors = [vars(holder).get(name) for holder, name in holders]
    core, _ = holder_of(litellm, "Router.completion")
    routers = [*vars(litellm.Router).values(), *vars(core).values()]
    return [*doors, *routers, ThreadPoolExecutor.submit]


@pytest.fixture(autouse=True)
def _clean_slate() -> Iterator[None]:
    """
    Begin with nothing configured; fail a test that leaves a span current, or LiteLLM changed.

    Garbage is collected between tests alone. LiteLLM leaves unfinished streams to the collector,
    and httpcore waits for itself for ever if one is collected while it holds its pool's lock.
    """
    gc.disable()
    AUTOLOGGING_INTEGRATIONS["litellm"] = {}
    before = _patched_names()
    yield
    if _autolog.is_on():
        mlflow.litellm.autolog(disable=True)
    assert before == _patched_names()
    assert mlflow.get_current_active_span() is None
    gc.enable()
    gc.collect()
    # What outlived this test is passed over after the next: a look at all of it takes 0.3 s.
    gc.freeze()
