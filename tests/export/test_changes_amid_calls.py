"""Open calls are stored in their own experiment if the program changes experiment or store."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from children import succeed

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = """
import threading
import litellm, mlflow
from mlflow.entities.trace_location import MlflowExperimentLocation

CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}],
        "mock_response": "hello"}
client = mlflow.MlflowClient("sqlite:///mlflow.db")
other = client.create_experiment("other")

def report():
    # What was open may still be on its way to the store.
    for thread in threading.enumerate():
        if thread.name == "mlflow-litellm-retire":
            thread.join()
    mlflow.flush_trace_async_logging()
    found = client.search_traces(locations=["0", other])
    names = ["Default" if trace.info.experiment_id == "0" else "other" for trace in found]
    print(*sorted(names), *sorted(len(trace.data.spans) for trace in found))

mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.litellm.autolog()
"""
CHANGES = {
    "experiment": "mlflow.set_experiment('other')",
    "same experiment": "mlflow.set_experiment('Default')",
    "store": "mlflow.set_tracking_uri('sqlite:///another.db')",
    "reset": "mlflow.tracing.reset()",
    "destination": "mlflow.tracing.set_destination(MlflowExperimentLocation(other))",
    "tracing": "mlflow.tracing.disable()",
}
OPEN = {
    "streams": """
streams = [litellm.completion(**CALL, stream=True) for _ in range(4)]
for stream in streams:
    next(stream)
CHANGE
for stream in streams:
    list(stream)
report()
""",
    "a span by hand": """
with mlflow.start_span("by hand"):
    litellm.completion(**CALL)
    CHANGE
report()
""",
}


@pytest.mark.parametrize("change", CHANGES)
def test_open_calls_are_stored_where_they_began(change: str, tmp_path: Path) -> None:
    """Open calls are stored at their first destination, although MLflow ends its exporter."""
    code = OPEN["streams"].replace("CHANGE", CHANGES[change])
    assert succeed(BEGIN + code, tmp_path) == "Default Default Default Default 1 1 1 1\n"


@pytest.mark.parametrize("change", ["experiment", "store"])
def test_open_span_by_hand_is_stored_with_its_calls(change: str, tmp_path: Path) -> None:
    """An open span made by hand is stored with its calls, as it is the root of their trace."""
    code = OPEN["a span by hand"].replace("CHANGE", CHANGES[change])
    assert succeed(BEGIN + code, tmp_path) == "Default 2\n"


def test_change_does_not_wait_for_what_is_to_be_sent(tmp_path: Path) -> None:
    """A change does not wait for pending exports, which an unreachable store would delay."""
    code = """
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

start_trace, sending = SqlAlchemyStore.start_trace, threading.Event()

def held(self, *args, **kwargs):
    assert sending.wait(60)
    return start_trace(self, *args, **kwargs)

SqlAlchemyStore.start_trace = held
litellm.completion(**CALL)
mlflow.set_tracking_uri("sqlite:///another.db")
sending.set()
report()
"""
    assert succeed(BEGIN + code, tmp_path) == "Default 1\n"


def test_experiments_of_tenants_do_not_meet(tmp_path: Path) -> None:
    """Spans with separate destinations, as documented for tenants, keep the calls separate."""
    code = """
from concurrent.futures import ThreadPoolExecutor

def call(experiment):
    with mlflow.start_span("tenant", trace_destination=MlflowExperimentLocation(experiment)):
        litellm.completion(**CALL)

with ThreadPoolExecutor(4) as pool:
    list(pool.map(call, ["0", other] * 3))
report()
"""
    expected = "Default Default Default other other other 2 2 2 2 2 2\n"
    assert succeed(BEGIN + dedent(code), tmp_path) == expected
