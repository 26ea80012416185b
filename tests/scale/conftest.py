"""Fixtures for the store, and for two crews: MLflow's defaults, and production settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scale.crew import Crew
    from scale.postgres import Cluster
    from scale.store import Store


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Run PostgreSQL."""
    from scale.postgres import Cluster, programs

    if (home := programs()) is None:
        pytest.skip("PostgreSQL is not installed: its initdb is not on the path")
    with Cluster(home) as started:
        yield started


@pytest.fixture(scope="session")
def store(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Run MLflow's server with PostgreSQL."""
    from scale.store import Store

    found = Store(cluster, tmp_path_factory.mktemp("store"))
    found.set_type("up")
    yield found
    found.set_type("down")


@pytest.fixture(scope="session")
def tuned(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Start processes with the settings of the documentation."""
    from scale.crew import Crew
    from scale.scenarios import SETTINGS, warm

    where = {"MLFLOW_TRACKING_URI": store.uri}
    with running(Crew(tmp_path_factory.mktemp("tuned"), {**SETTINGS, **where})) as crew:
        warm(crew, store)
        yield crew


@pytest.fixture(scope="session")
def unset(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Start processes with MLflow's defaults."""
    from scale.crew import Crew
    from scale.scenarios import LOAD, warm

    where = {"MLFLOW_TRACKING_URI": store.uri}
    with running(Crew(tmp_path_factory.mktemp("unset"), {**LOAD.unset, **where})) as crew:
        warm(crew, store)
        yield crew
