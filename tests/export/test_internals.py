"""The internals of MLflow that this package uses are at their expected places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from callers import SyncCaller
from children import succeed
from mlflow.tracing.client import TracingClient
from sqlalchemy import Engine

from mlflow_litellm._tracing import mlflow_compat

if TYPE_CHECKING:
    from pathlib import Path

    from provider import LoopbackProvider
    from traces import Traces


@pytest.mark.parametrize(
    ("holder", "name"),
    [
        ("mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore"),
        ("mlflow.tracking._tracking_service.registry", "_building_store_lock"),
    ],
)
def test_private_name_is_where_mlflow_keeps_it(holder: str, name: str) -> None:
    """The private name exists. If MLflow moves it, this fails, and the package uses a fallback."""
    assert hasattr(__import__(holder, fromlist=[name]), name)


def test_parts_of_the_export_are_where_mlflow_keeps_them(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """The parts of MLflow's export exist, which a forked child gets new instances of."""
    SyncCaller(provider).complete("hello")
    assert isinstance(mlflow_compat.store_engine(), Engine)
    assert mlflow_compat.span_processor()._pending_on_end_count == 0


def test_export_queue_is_where_mlflow_keeps_it(tmp_path: Path) -> None:
    """The export queue exists, with its threads and waiting traces, which the proxy reads."""
    code = """
import mlflow
from mlflow_litellm._tracing import mlflow_compat
mlflow.start_span_no_context("any").end()
print(type(mlflow_compat.export_queue()._queue).__name__)
"""
    assert succeed(code, tmp_path) == "Queue\n"


@pytest.mark.parametrize("name", ["log_spans", "start_trace"])
def test_method_that_sends_traces_has_not_moved(name: str, tracing: Traces) -> None:
    """The method that sends traces is MLflow's, as forks wait for running calls of it."""
    assert vars(TracingClient)[name].__wrapped__.__module__.startswith("mlflow.")
