"""No finished trace is lost, with any number of workers and any way of stopping the proxy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from configurations import configuration
from gateways import CHAT, Spans, tree
from processes import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateways import Gateway
    from processes import TrackingServer


def ask(gateway: Gateway, key: dict[str, str], number: int) -> int:
    """Send a chat request, every third time for a stream, and return the status."""
    messages = [{"role": "user", "content": f"number {number}"}]
    body = {"model": "chat", "messages": messages, "stream": number % 3 == 0}
    url = f"{gateway.url}/v1/chat/completions"
    return httpx.post(url, json=body, headers=key, timeout=60).status_code


def ask_often(gateway: Gateway, key: dict[str, str], count: int) -> None:
    """Send this many requests, eight at a time."""
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: ask(gateway, key, number), range(count)))
    assert statuses == [200] * count


@pytest.fixture
def traced(tracking: TrackingServer, tag: str) -> dict[str, str]:
    """Return the environment of a proxy that traces into its own experiment."""
    return {
        "MLFLOW_TRACKING_URI": tracking.uri,
        "MLFLOW_EXPERIMENT_NAME": tag,
        # Longer than the test takes: all present traces were sent when the proxy stopped.
        "MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "600000",
    }


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "options",
    [("--num_workers", "4"), ("--num_workers", "2", "--run_gunicorn")],
    ids=["uvicorn", "gunicorn"],
)
def test_stopping_loses_no_trace(
    start: Callable[..., Gateway],
    tracking: TrackingServer,
    traced: dict[str, str],
    tag: str,
    key: dict[str, str],
    options: tuple[str, ...],
) -> None:
    """No trace is lost, though SIGTERM ends uvicorn's process without Python's exit handlers."""
    gateway = start(configuration(), *options, **traced)
    ask_often(gateway, key, 30)
    gateway.stop()
    traces = Spans(tracking.uri, tag).all()
    assert [tree(trace) for trace in traces] == [CHAT] * 30


@pytest.mark.timeout(400)
def test_reloading_loses_no_trace(
    start: Callable[..., Gateway],
    tracking: TrackingServer,
    traced: dict[str, str],
    tag: str,
    key: dict[str, str],
    tmp_path: Path,
) -> None:
    """A worker sends its traces before it is replaced."""
    gateway = start(configuration(), "--reload", **traced)
    ask_often(gateway, key, 5)
    config = tmp_path / "0" / "config.yaml"
    config.write_text(config.read_text() + "\n")
    until(lambda: gateway.log.count("Application startup complete") > 1, 60, "the reload")
    gateway.wait()
    ask_often(gateway, key, 5)
    gateway.stop()
    traces = Spans(tracking.uri, tag).all()
    assert [tree(trace) for trace in traces] == [CHAT] * 10
