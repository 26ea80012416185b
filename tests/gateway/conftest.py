"""Fixtures: a shared proxy, a way to start others, and a reader of traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from configurations import EXPERIMENT, configuration
from custom_auth import VIRTUAL_KEY
from custom_guardrails import GUARDRAILS
from gateways import Gateway, Spans
from processes import Provider, TrackingServer, running
from tool_servers import ToolServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToolServer]:
    """Run an MCP server."""
    with running(ToolServer(tmp_path_factory.mktemp("weather"))) as started:
        yield started


@pytest.fixture(scope="session")
def gateway(
    tmp_path_factory: pytest.TempPathFactory,
    vendor: Provider,
    tracking: TrackingServer,
    weather: ToolServer,
) -> Iterator[Gateway]:
    """Run the proxy that most tests use, traced into the experiment ``gateway``."""
    config = {**configuration(), "mcp_servers": weather.configuration}
    folder = tmp_path_factory.mktemp("gateway")
    with running(Gateway(folder, config, traced(vendor, tracking))) as started:
        yield started.wait()


@pytest.fixture(scope="session")
def guarded_gateway(
    tmp_path_factory: pytest.TempPathFactory, vendor: Provider, tracking: TrackingServer
) -> Iterator[Gateway]:
    """Run a proxy with guardrails: they change the records of each request."""
    config = {**configuration(), "guardrails": GUARDRAILS}
    folder = tmp_path_factory.mktemp("guarded-gateway")
    with running(Gateway(folder, config, traced(vendor, tracking))) as started:
        yield started.wait()


def traced(vendor: Provider, tracking: TrackingServer) -> dict[str, str]:
    """Return the environment of a proxy that is traced into the experiment ``gateway``."""
    return {
        **vendor.environment,
        "MLFLOW_TRACKING_URI": tracking.uri,
        "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
    }


@pytest.fixture
def start(tmp_path: Path, vendor: Provider) -> Iterator[Callable[..., Gateway]]:
    """Provide ``start(config, *options, **environment)``, which starts a proxy for one test."""
    started: list[Gateway] = []

    def begin(config: dict[str, Any], *options: str, **environment: str) -> Gateway:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        given = {**vendor.environment, **environment}
        started.append(Gateway(folder, config, given, options))
        return started[-1].wait()

    yield begin
    for each in started:
        each.stop()


@pytest.fixture
def recorded(tracking: TrackingServer) -> Spans:
    """Provide a reader of the traces of the proxy that most tests use."""
    return Spans(tracking.uri, EXPERIMENT)


@pytest.fixture
def tag() -> str:
    """Provide a tag that is unique to the test, to find its trace."""
    return f"test-{uuid4().hex}"


@pytest.fixture(scope="session")
def key() -> dict[str, str]:
    """Provide the headers of a virtual key."""
    return {"Authorization": f"Bearer {VIRTUAL_KEY}"}
