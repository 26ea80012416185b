"""Fixtures: a loopback provider and an MLflow server, each a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from processes import Provider, TrackingServer, running

if TYPE_CHECKING:
    from collections.abc import Iterator


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
