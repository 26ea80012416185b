"""A trace goes to the right experiment, without a request to a server during the call."""

from __future__ import annotations

import socket
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, SyncCaller, user
from children import succeed
from mlflow.entities.trace_location import MlflowExperimentLocation
from mlflow.tracking import fluent

from mlflow_litellm._tracing.span import CallSpan
from mlflow_litellm._tracing.store import attempts, experiment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from processes import TrackingServer
    from provider import LoopbackProvider
    from traces import Traces

REPORT = """
    import litellm, mlflow
    mlflow.litellm.autolog()
    {before}
    litellm.completion("gpt-4o-mini", [{{"role": "user", "content": "hi"}}], mock_response="hello")
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
    print(mlflow.get_experiment(trace.info.experiment_id).name)
"""


@pytest.mark.parametrize(
    ("environment", "before", "expected"),
    [
        ({"MLFLOW_EXPERIMENT_NAME": "by name"}, "", "by name"),
        ({"MLFLOW_EXPERIMENT_ID": "0"}, "", "Default"),
        ({"MLFLOW_EXPERIMENT_NAME": "by name"}, "mlflow.set_experiment('later')", "later"),
    ],
)
def test_environment_names_the_experiment(
    environment: dict[str, str], before: str, expected: str, tmp_path: Path
) -> None:
    """A name (created if missing) or an id selects the experiment, unless the program sets one."""
    out = succeed(REPORT.format(before=before), tmp_path, **environment)
    assert out.strip() == expected


@pytest.fixture
def named(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name this test's experiment in the environment, as in a program that has set none."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID")
    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    name = mlflow.get_experiment(traces.experiment_id).name
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    return name


def test_name_is_looked_up_once(named: str, traces: Traces) -> None:
    """The name is looked up once, not at every root span."""
    first = experiment.root_experiment_id()
    assert experiment.wait_for_id(first) == traces.experiment_id
    threads = threading.active_count()
    assert experiment.root_experiment_id() == traces.experiment_id
    assert threading.active_count() == threads


def test_missing_experiment_is_made(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing experiment is created, as by MLflow."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"{named} of another name")
    made = mlflow.get_experiment(experiment.wait_for_id(experiment.root_experiment_id()))
    assert made.name == f"{named} of another name"


def test_child_span_is_given_no_experiment(named: str) -> None:
    """A child span gets no experiment, because MLflow would drop the child."""
    with mlflow.start_span("parent"):
        assert experiment.root_experiment_id() is None


def test_run_comes_first(named: str) -> None:
    """A trace that is made during a run belongs to the run's experiment."""
    with mlflow.start_run():
        assert experiment.root_experiment_id() is None


def test_trace_goes_to_the_experiment_of_its_threads_run(tracing: Traces) -> None:
    """With a run in each thread, in an experiment of its own, no trace goes to another's."""
    meeting = threading.Barrier(2)

    def work(number: int) -> tuple[str, str | None]:
        experiment_id = mlflow.create_experiment(f"{tracing.experiment_id} {number}")
        with mlflow.start_run(experiment_id=experiment_id):
            meeting.wait()
            litellm.completion(MODEL, user(str(number)), mock_response="hi")
            meeting.wait()
        [trace] = mlflow.search_traces(locations=[experiment_id], return_type="list")
        return str(number), trace.data.spans[0].inputs["messages"][0]["content"]

    with ThreadPoolExecutor(2) as pool:
        assert all(asked == sent for asked, sent in pool.map(work, range(2)))


class Searches:
    """Notes the modules that are searched for on behalf of tracing."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(self, name: str, *_: Any) -> None:
        """Note a name, and find nothing."""
        callers = traceback.walk_stack(sys._getframe())
        if any("mlflow_litellm" in frame.f_globals["__name__"] for frame, _ in callers):
            self.names.append(name)


def test_no_module_is_searched_for_at_a_call(
    named: str, tracing: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an experiment, MLflow looks for IPython at each trace, in each folder of the path."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    searches = Searches()
    monkeypatch.setattr(sys, "meta_path", [searches, *sys.meta_path])
    monkeypatch.setitem(sys.modules, "IPython", None)
    monkeypatch.delitem(sys.modules, "IPython")
    CallSpan("first", "LLM").start().finish()
    del searches.names[:]
    # No call of LiteLLM's, which searches too, and no export, which is on a thread of its own.
    span = CallSpan("root", "LLM").start()
    found = searches.names.copy()
    span.finish()
    assert found == []


def test_destination_comes_first(named: str, traces: Traces) -> None:
    """``mlflow.tracing.set_destination`` has precedence over the environment."""
    mlflow.tracing.set_destination(MlflowExperimentLocation("0"))
    try:
        assert experiment.root_experiment_id() is None
    finally:
        mlflow.tracing.reset()


def test_otlp_needs_no_experiment(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If spans go to a collector only, no experiment is looked up, as there may be no server."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/v1/traces")
    assert experiment.root_experiment_id() is None


def lookups() -> list[threading.Thread]:
    """Return the threads that are looking up an experiment."""
    return [t for t in threading.enumerate() if t.name == "mlflow-litellm-experiment"]


class SlowServer:
    """A tracking server that accepts connections, and sends no response until it is closed."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        """Close the server, so that MLflow's request and the lookup fail."""
        self._socket.close()
        for lookup in lookups():
            lookup.join(20)


@pytest.fixture
def slow_server(
    named: str, production: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SlowServer]:
    """Set the tracking URI to a server that does not respond."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = mlflow.get_tracking_uri()
    server = SlowServer()
    mlflow.set_tracking_uri(server.uri)
    yield server
    mlflow.set_tracking_uri(store)
    server.close()


def test_server_that_does_not_answer_holds_no_call_up(slow_server: SlowServer) -> None:
    """A placeholder for the id is returned at once, and one lookup runs for all calls."""
    pending = {experiment.root_experiment_id() for _ in range(3)}
    [lookup] = lookups()
    assert lookup.is_alive()
    assert [True] == [experiment.is_pending(each) for each in pending]


def test_lookup_that_fails_tells_what_to_do(slow_server: SlowServer) -> None:
    """The failed lookup's error, with a remedy, reaches the exporter, whose traces are lost."""
    pending = experiment.root_experiment_id()
    slow_server.close()
    with pytest.raises(experiment.UnknownExperimentError, match="or set MLFLOW_EXPERIMENT_ID"):
        experiment.wait_for_id(pending)


def test_failed_lookup_is_tried_again(
    slow_server: SlowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed lookup is tried again, so that a restarted server is used."""
    pending = experiment.root_experiment_id()
    slow_server.close()
    assert lookups() == []
    assert experiment.root_experiment_id() == pending
    assert lookups() == []
    monkeypatch.setattr(attempts, "RETRY_AFTER_S", 0)
    with socket.create_server(("127.0.0.1", int(slow_server.uri.rpartition(":")[2]))):
        assert experiment.root_experiment_id() == pending
        assert len(lookups()) == 1


RELAYED = """
    import socket, threading, litellm, mlflow
    opened, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))
    def pass_on(source, sink):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.close()
    def serve():
        while True:
            client, _ = listener.accept()
            opened.wait()
            server = socket.create_connection(("127.0.0.1", {port}))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pass_on, args=pair, daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    mlflow.set_tracking_uri("http://127.0.0.1:%d" % listener.getsockname()[1])
    mlflow.litellm.autolog()
    for _ in range(20):
        asked = [{{"role": "user", "content": "hi"}}]
        litellm.completion("gpt-4o-mini", asked, mock_response="hello")
    assert not opened.is_set()
    opened.set()
    mlflow.flush_trace_async_logging()
    made = mlflow.get_experiment_by_name("slow to be found").experiment_id
    print(len(mlflow.search_traces(locations=[made], return_type="list")))
"""


def test_traces_that_were_made_before_the_answer_are_stored(
    tracking: TrackingServer, tmp_path: Path
) -> None:
    """Traces from before the server's response are all stored in the named experiment."""
    code = RELAYED.format(port=tracking.uri.rpartition(":")[2])
    out = succeed(code, tmp_path, MLFLOW_EXPERIMENT_NAME="slow to be found")
    assert out.split()[-1] == "20"


def test_trace_goes_to_the_named_experiment(
    named: str, traces: Traces, provider: LoopbackProvider
) -> None:
    """The trace is stored in the experiment that the environment names."""
    mlflow.litellm.autolog()
    SyncCaller(provider).complete("hello")
    assert traces.one().info.experiment_id == traces.experiment_id
