"""A call whose span MLflow could not start is counted as lost; an untraced one is not."""

from __future__ import annotations

import logging
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import mlflow
import pytest
from children import run, succeed
from mlflow.tracing.provider import get_bridged_tracer_provider
from opentelemetry.sdk.trace import SpanProcessor

import mlflow_litellm
from mlflow_litellm._tracing import losses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callers import Caller
    from traces import Traces

BEGIN = """
import litellm, mlflow, mlflow_litellm

CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}],
        "mock_response": "hello"}
mlflow.litellm.autolog()
"""
# The environment of mlflow-tracing alone, which has no local store.
NO_LOCAL_STORE = """
import sys
sys.modules["mlflow.store.tracking.file_store"] = None
"""


class Broken(SpanProcessor):
    """An OpenTelemetry processor that fails when a span starts."""

    def on_start(self, span: object, parent_context: object = None) -> None:
        """Fail."""
        raise LookupError


@pytest.fixture
def broken(tracing: Traces, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make every span's start fail."""
    monkeypatch.setattr(losses, "_warned", set())
    get_bridged_tracer_provider().add_span_processor(Broken())
    yield
    mlflow.tracing.reset()


def lost_since(before: mlflow_litellm.Health) -> dict[str, int]:
    """Return the calls lost since `before` by reason, as all tests run in one process."""
    now = mlflow_litellm.health().calls_lost
    grown = {reason: n - before.calls_lost.get(reason, 0) for reason, n in now.items()}
    return {reason: n for reason, n in grown.items() if n}


@pytest.mark.usefixtures("broken")
def test_call_whose_span_does_not_start_is_lost(caller: Caller) -> None:
    """A call whose span does not start counts as lost, not as traced or as switched off."""
    before = mlflow_litellm.health()
    caller.complete("hello")
    caller.stream("hello")
    assert lost_since(before) == {"LookupError": 2}
    assert mlflow_litellm.health().calls == before.calls


@pytest.mark.usefixtures("broken")
def test_loss_is_counted_if_mlflow_logs_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss is counted if MLflow's logging, which alone has the reason, is off."""
    monkeypatch.setattr(logging.getLogger("mlflow.tracing.fluent"), "disabled", True)
    before = mlflow_litellm.health()
    caller.complete("hello")
    assert lost_since(before) == {"unknown": 1}


@pytest.mark.usefixtures("broken")
def test_mlflow_logs_the_spans_of_others_as_before(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """MLflow logs failed spans of other code as before. This package logs its own only once."""
    for _ in range(3):
        caller.complete("hello")
        mlflow.start_span_no_context("by hand")
    assert [r.name for r in caplog.records if "by hand" in r.getMessage()] == [
        "mlflow.tracing.fluent"
    ] * 3
    [ours] = [r for r in caplog.records if "LookupError" in r.getMessage()]
    assert ours.name == "mlflow_litellm"


@pytest.mark.parametrize("way", ["disabled", "off in a context", "below what is off"])
def test_call_that_is_not_to_be_traced_is_no_loss(
    way: str, tracing: Traces, caller: Caller
) -> None:
    """A call for which MLflow's public switches disable tracing is no loss."""
    before = mlflow_litellm.health()
    if way == "disabled":
        mlflow.tracing.disable()
        caller.complete("hello")
        mlflow.tracing.enable()
    else:
        with mlflow.tracing.context(enabled=False):
            if way == "below what is off":
                with mlflow.start_span("off"):
                    caller.complete("hello")
            else:
                caller.complete("hello")
    assert lost_since(before) == {}


def test_call_that_is_sampled_out_is_no_loss(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is sampled out is no loss, alone or as a child of a sampled-out span."""
    monkeypatch.setenv("MLFLOW_TRACE_SAMPLING_RATIO", "0")
    mlflow.tracing.reset()
    before = mlflow_litellm.health()
    caller.complete("hello")
    with mlflow.start_span("sampled out"):
        caller.complete("hello")
    mlflow.tracing.reset()
    assert lost_since(before) == {}


def test_missing_store_is_said_once_and_as_the_process_ends(tmp_path: Path) -> None:
    """A missing store is reported once and at exit with a remedy, not by MLflow at each call."""
    code = "for _ in range(3): litellm.completion(**CALL)\nprint(mlflow_litellm.health())"
    ended = run(BEGIN + NO_LOCAL_STORE + code, tmp_path)
    assert ended.stdout.endswith(", 3 calls lost (3 x ModuleNotFoundError)\n")
    [said] = [line for line in ended.stderr.splitlines() if "LiteLLM calls are not traced" in line]
    assert "MLFLOW_TRACKING_URI" in said
    assert "Failed to start span" not in ended.stderr
    assert "Traces of LiteLLM are incomplete" in ended.stderr


def test_address_without_a_scheme_is_a_loss(tmp_path: Path) -> None:
    """An address without a scheme, which MLflow has no store for, is a loss at the first export."""
    code = """
for _ in range(3):
    litellm.completion(**CALL)
mlflow.flush_trace_async_logging()
print(mlflow_litellm.health().spans_dropped)
"""
    ended = run(BEGIN + dedent(code), tmp_path, MLFLOW_TRACKING_URI="localhost:5000")
    assert ended.stdout == "3\n"
    [said] = [line for line in ended.stderr.splitlines() if "calls are lost" in line]
    assert "localhost:5000 has no scheme" in said
    assert "write http://localhost:5000" in said
    assert "Failed to send trace" not in ended.stderr


def test_forked_child_counts_its_own_losses(tmp_path: Path) -> None:
    """A forked child counts its own losses, not those of its parent."""
    if sys.platform == "win32":
        pytest.skip("forks are of POSIX")
    code = """
import os
litellm.completion(**CALL)
child = os.fork()
if not child:
    print(mlflow_litellm.health().calls_lost, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    assert succeed(BEGIN + NO_LOCAL_STORE + dedent(code), tmp_path) == "{}\n"
