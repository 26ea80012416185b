"""A store is opened in a separate thread, so that no caller waits for it."""

from __future__ import annotations

import os
from textwrap import dedent
from typing import TYPE_CHECKING

import mlflow
import pytest
from callers import SyncCaller
from children import run, succeed
from mlflow.tracing.client import TracingClient

if TYPE_CHECKING:
    from pathlib import Path

    from provider import LoopbackProvider
    from traces import Traces

BEGIN = """
import asyncio, gc, os, threading
import litellm, mlflow, mlflow_litellm
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow_litellm._tracing.store import attempts, opening

CALL = {{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "hi"}}],
        "mock_response": "hello"}}
open_store = SqlAlchemyStore.__init__
threads = []
released = threading.Event()

def held(self, *args, **kwargs):
    threads.append(threading.current_thread().name)
    released.wait(0 if threading.current_thread() is threading.main_thread() else 60)
    open_store(self, *args, **kwargs)

def broken(self, *args, **kwargs):
    threads.append(threading.current_thread().name)
    if len(threads) == 1:
        raise LookupError("the first attempt")
    open_store(self, *args, **kwargs)

def report():
    mlflow.flush_trace_async_logging()
    SqlAlchemyStore.__init__ = open_store
    stored = mlflow.MlflowClient("sqlite:///mlflow.db").search_traces(locations=["0"])
    print(len(stored), sorted(set(threads)))

SqlAlchemyStore.__init__ = {store}
mlflow.litellm.autolog()
"""


def told(code: str, folder: Path, store: str = "held") -> list[str]:
    """Return the lines that a script prints. Its store opens once `released`, or is `broken`."""
    return succeed(BEGIN.format(store=store) + dedent(code), folder).splitlines()


MOMENTS = {
    "call": "litellm.completion(**CALL)",
    "async call": "asyncio.run(litellm.acompletion(**CALL))",
    "end of a stream": "list(litellm.completion(**CALL, stream=True))",
    "stream that is dropped": "litellm.completion(**CALL, stream=True); gc.collect()",
    "call below a span by hand": "with mlflow.start_span('by hand'): litellm.completion(**CALL)",
    "call after another store was chosen": (
        "mlflow.set_tracking_uri('sqlite:///./mlflow.db'); litellm.completion(**CALL)"
    ),
    "call with an experiment by name": (
        "os.environ['MLFLOW_EXPERIMENT_NAME'] = 'Default'; litellm.completion(**CALL)"
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_store_is_not_opened_on_the_callers_thread(moment: str, tmp_path: Path) -> None:
    """The program continues before the store is open, and the trace is stored afterwards."""
    code = f"""
{MOMENTS[moment]}
released.set()
report()
"""
    assert told(code, tmp_path) == ["1 ['mlflow-litellm-store']"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of POSIX")
def test_forked_child_opens_a_store_that_its_parent_was_opening(tmp_path: Path) -> None:
    """A forked child opens the store itself, as the parent's opening thread is not in the child."""
    code = """
opening.LOCAL_FORK_PATIENCE_S = 0.1
litellm.completion(**CALL)
opening = threading.Thread(target=mlflow.flush_trace_async_logging)
opening.start()
while not threads:
    pass
child = os.fork()
released.set()
if not child:
    litellm.completion(**CALL)
    report()
    os._exit(0)
os.waitpid(child, 0)
opening.join()
report()
"""
    in_child, in_parent = told(code, tmp_path)
    assert in_child in {"1 ['mlflow-litellm-store']", "2 ['mlflow-litellm-store']"}
    assert in_parent == "2 ['mlflow-litellm-store']"


SEND_TWENTY = """
for _ in range(20):
    litellm.completion(**CALL)
mlflow.flush_trace_async_logging()
print(len(threads), mlflow_litellm.health().spans_dropped)
"""


def test_store_that_fails_is_tried_once_for_all_that_waits(tmp_path: Path) -> None:
    """A failing store is tried once for all waiting traces, as each retry would delay the exit."""
    assert told(SEND_TWENTY, tmp_path, "broken") == ["1 20"]


def test_store_that_failed_is_tried_again_later(tmp_path: Path) -> None:
    """A store that failed is tried again later, and then stores traces."""
    again = "attempts.RETRY_AFTER_S = 0\nlitellm.completion(**CALL)\nreport()"
    lines = told(SEND_TWENTY + again, tmp_path, "broken")
    assert lines == ["1 20", "1 ['mlflow-litellm-store']"]


def test_store_that_never_opens_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """A store that never opens does not delay the exit: all waiting traces are dropped together."""
    assert told("opening.PATIENCE_S = 0.5" + SEND_TWENTY, tmp_path) == ["1 20"]


def test_store_that_cannot_be_opened_is_said_once_with_what_to_do(tmp_path: Path) -> None:
    """A store that cannot be opened, as in a read-only folder, is reported once with a remedy."""
    (tmp_path / "file").touch()
    code = """
import litellm, mlflow
mlflow.litellm.autolog()
for _ in range(3):
    litellm.completion("gpt-4o-mini", [{"role": "user", "content": "hi"}], mock_response="hello")
mlflow.flush_trace_async_logging()
"""
    uri = f"sqlite:///{tmp_path}/file/mlflow.db"
    err = run(code, tmp_path, MLFLOW_TRACKING_URI=uri).stderr
    [warning] = [line for line in err.splitlines() if "Traces of LiteLLM calls are lost" in line]
    assert f"{uri} cannot be used" in warning
    assert "name another store with MLFLOW_TRACKING_URI" in warning


def test_password_of_a_store_is_not_logged(tmp_path: Path) -> None:
    """The warning has the store's address without its password."""
    code = """
import litellm, mlflow
mlflow.litellm.autolog()
litellm.completion("gpt-4o-mini", [{"role": "user", "content": "hi"}], mock_response="hello")
mlflow.flush_trace_async_logging()
"""
    err = run(code, tmp_path, MLFLOW_TRACKING_URI="nowhere://me:hidden@127.0.0.1/x").stderr
    [warning] = [line for line in err.splitlines() if "Traces of LiteLLM calls are lost" in line]
    assert "nowhere://me:***@127.0.0.1/x" in warning


@pytest.mark.usefixtures("production")
def test_client_that_needs_its_store_at_once_is_mlflows_own(
    traces: Traces, provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If MLflow makes its client in another way, the package falls back to MLflow's client."""

    def make(self: TracingClient, tracking_uri: str | None = None) -> None:
        self.tracking_uri = tracking_uri or mlflow.get_tracking_uri()
        self.store.get_experiment("0")

    monkeypatch.setattr(TracingClient, "__init__", make)
    mlflow.tracing.reset()
    mlflow.litellm.autolog()
    SyncCaller(provider).complete("hello")
    mlflow.litellm.autolog(disable=True)
    mlflow.tracing.reset()
    assert traces.one().data.spans
