"""The cost of tracing in the proxy, against LiteLLM's callback, with its server gone or slow."""

from __future__ import annotations

import re
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from configurations import configuration
from gateways import CHAT, Gateway, Spans, tree
from load import REQUESTS, Timing, load, median
from processes import resident_kb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow.entities import Trace
    from processes import Provider, TrackingServer

ROUNDS = 2
WARMING = 40
FILLING = 120
NAME = "load"
OFF, CALLBACK, OURS = "no tracing", "LiteLLM's callback", "mlflow_litellm"
GONE, SLOW = f"{OURS}, its server gone", f"{OURS}, its server silent"
NONE: dict[str, Any] = {"callbacks": []}
MLFLOWS: dict[str, Any] = {**NONE, "success_callback": ["mlflow"], "failure_callback": ["mlflow"]}
# Full before the timed load.
SMALL = {"MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE": "100", "MLFLOW_EXPERIMENT_ID": "1"}


@dataclass(frozen=True)
class Measured:
    """
    The results of the loads, by the proxy's name.

    Attributes:
        traced: The median of the rounds with a working tracking server.
        untraced: The median of the rounds without a tracking server.
        grown_mb: The growth of a proxy's memory in those rounds.
        logs: The output of each proxy until it stopped.
        traces: The traces that this package sent until the proxy stopped.
    """

    traced: Mapping[str, Timing]
    untraced: Mapping[str, Timing]
    grown_mb: Mapping[str, float]
    logs: Mapping[str, str]
    traces: list[Trace]


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """Yield the address of a server that takes connections, and never responds."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            with suppress(OSError):
                while True:
                    held.append(server.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


@pytest.fixture(scope="module")
def gateways(
    tmp_path_factory: pytest.TempPathFactory,
    vendor: Provider,
    tracking: TrackingServer,
    silent: str,
) -> Iterator[dict[str, Gateway]]:
    """Start one proxy of each kind."""
    server = {"MLFLOW_TRACKING_URI": tracking.uri}
    given: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
        OFF: (NONE, {}),
        CALLBACK: (MLFLOWS, {**server, "MLFLOW_EXPERIMENT_NAME": "callback"}),
        OURS: ({}, {**server, "MLFLOW_EXPERIMENT_NAME": NAME}),
        GONE: ({}, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", **SMALL}),
        SLOW: ({}, {"MLFLOW_TRACKING_URI": silent, **SMALL}),
    }
    started = {
        name: Gateway(
            tmp_path_factory.mktemp("load"),
            configuration(**settings),
            {**vendor.environment, **environment},
        )
        for name, (settings, environment) in given.items()
    }
    for each in started.values():
        each.wait()
    yield started
    for each in started.values():
        each.stop()


@pytest.fixture(scope="module")
def measured(
    gateways: dict[str, Gateway], tracking: TrackingServer, key: dict[str, str]
) -> Measured:
    """Load the proxies in turns, and stop them."""
    for name, gateway in gateways.items():
        # Fills the queue of the proxies that cannot send.
        load(gateway, key, FILLING if name in (GONE, SLOW) else WARMING)
    before = {name: resident_mb(gateway) for name, gateway in gateways.items()}
    # Apart: a tracking server that works through its backlog slows down the next loaded proxy.
    untraced = in_turns({name: gateways[name] for name in (OFF, GONE, SLOW)}, key)
    traced = in_turns({name: gateways[name] for name in (OFF, CALLBACK, OURS)}, key)
    grown = {name: resident_mb(gateway) - before[name] for name, gateway in gateways.items()}
    for gateway in gateways.values():
        gateway.end()
    for gateway in gateways.values():
        gateway.stop()
    logs = {name: gateway.log for name, gateway in gateways.items()}
    return Measured(traced, untraced, grown, logs, Spans(tracking.uri, NAME).all())


def in_turns(gateways: Mapping[str, Gateway], key: dict[str, str]) -> dict[str, Timing]:
    """Load each proxy in each round, a different one first each time, and return the medians."""
    timings: dict[str, list[Timing]] = {name: [] for name in gateways}
    names = list(gateways)
    for number in range(ROUNDS):
        for name in names[number:] + names[:number]:
            timings[name].append(load(gateways[name], key))
    return {name: median(each) for name, each in timings.items()}


def resident_mb(gateway: Gateway) -> float:
    """Return a proxy's resident memory, in MB."""
    return resident_kb(gateway.process.pid) / 1024


@pytest.mark.timeout(400)
def test_every_request_under_load_is_traced(
    measured: Measured, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every request under load is traced; the figures of the documentation are printed."""
    with capsys.disabled():
        sys.stdout.write(f"\n{table(measured.traced)}\n\n{table(measured.untraced)}\n")
    count = WARMING + ROUNDS * REQUESTS
    assert [tree(trace) for trace in measured.traces] == [CHAT] * count


def test_tracing_costs_no_more_than_the_callback(measured: Measured) -> None:
    """Tracing is within bounds of the callback's cost that noise does not reach."""
    timings = measured.traced
    assert timings[OURS].throughput > 0.8 * timings[CALLBACK].throughput
    assert timings[OURS].throughput > 0.4 * timings[OFF].throughput


@pytest.mark.parametrize("name", [GONE, SLOW])
def test_missing_tracking_server_costs_nothing(measured: Measured, name: str) -> None:
    """A proxy with a full queue is as fast as untraced, and counts its untraced requests."""
    timings = measured.untraced
    assert timings[name].throughput > 0.7 * timings[OFF].throughput
    assert timings[name].p95_ms < 1.5 * timings[OFF].p95_ms
    assert measured.grown_mb[name] < 30
    dropped = re.findall(r"(\d+) requests (?:so far|were not traced)", measured.logs[name])
    assert int(dropped[-1]) >= ROUNDS * REQUESTS


@pytest.mark.parametrize("name", [GONE, SLOW])
def test_stopping_waits_no_longer_than_promised(measured: Measured, name: str) -> None:
    """The proxy stops within the promised time; MLflow's own exit handler waits for minutes."""
    assert re.search(r"were not sent to http://127\.0\.0\.1:\d+ within 10 s", measured.logs[name])


def table(told: Mapping[str, Timing]) -> str:
    """Return the figures as the documentation has them."""
    lines = ["| | requests a second | 95 of 100 within |", "| --- | --- | --- |"]
    for name, timing in told.items():
        lines.append(f"| {name} | {timing.throughput:.0f} | {timing.p95_ms:.0f} ms |")
    return "\n".join(lines)
