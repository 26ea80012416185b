"""Health counts the calls that were traced and lost, and the errors that were swallowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from children import run, succeed
from collectors import over_http
from mlflow.entities import LiveSpan

import mlflow_litellm
from mlflow_litellm._cli import report

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from callers import Caller
    from traces import Traces

BEGIN = """
import litellm, mlflow, mlflow_litellm

def call(**more):
    messages = [{"role": "user", "content": "hi"}]
    return litellm.completion(
        model="gpt-4o-mini", messages=messages, mock_response="hello there", **more
    )

mlflow.litellm.autolog()
"""
INCOMPLETE = "Traces of LiteLLM are incomplete"
# No server listens on this port.
GONE = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_EXPERIMENT_ID": "0"}
AT_ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def grown(before: mlflow_litellm.Health) -> dict[str, Any]:
    """Return the counts since `before`, as all tests run in one process."""
    now = mlflow_litellm.health()
    faults = {kind: n - before.faults.get(kind, 0) for kind, n in now.faults.items()}
    return {
        "calls": now.calls - before.calls,
        "faults": {kind: n for kind, n in faults.items() if n},
        "abandoned": now.streams_abandoned - before.streams_abandoned,
    }


def test_calls_and_abandoned_streams_are_counted(tracing: Traces, caller: Caller) -> None:
    """A call counts when its span ends. A stream that was read to its end is not abandoned."""
    before = mlflow_litellm.health()
    caller.complete("hello")
    caller.stream("hello")
    stream = caller.complete("hello", stream=True)
    caller.next(stream)
    caller.close(stream)
    assert grown(before) == {"calls": 3, "faults": {}, "abandoned": 1}


@pytest.mark.usefixtures("production")
def test_faults_are_counted_by_kind(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fault is counted by kind, also if it is not logged."""

    def fail(*_: object, **__: object) -> None:
        raise LookupError

    before = mlflow_litellm.health()
    with monkeypatch.context() as broken:
        broken.setattr(LiveSpan, "end", fail)
        for _ in range(3):
            caller.complete("hello")
    counted = grown(before)
    assert counted["calls"] == 3
    assert counted["faults"] == {"ending a span: LookupError": 3}


DROPPING = """
for _ in range(300):
    call()
mlflow.flush_trace_async_logging()
dropped = mlflow_litellm.health().spans_dropped
# Of some traces MLflow stores the spans in files, others have none at all.
found = mlflow.search_traces(max_results=1000, return_type="list")
print(dropped, sum(len(trace.data.spans) for trace in found))
"""


BOUNDS = {
    "queue": {"MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE": "5"},
    # A batch of these spans makes MLflow's queue overflow.
    "buffer": {
        "MLFLOW_TRACE_BUFFER_MAX_SIZE": "5",
        "MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE": "50",
    },
}


@pytest.mark.parametrize("bound", BOUNDS)
def test_spans_that_mlflow_drops_are_counted_to_the_last(bound: str, tmp_path: Path) -> None:
    """Each dropped span is counted, although MLflow logs drops rarely or not at all."""
    told = succeed(BEGIN + DROPPING, tmp_path, **BOUNDS[bound])
    dropped, stored = map(int, told.split())
    assert 0 < stored < 300
    assert dropped == 300 - stored


def test_spans_that_a_server_does_not_take_are_dropped(tmp_path: Path) -> None:
    """Spans that a server does not accept count as dropped, as with a stopped server."""
    code = "call()\nmlflow.flush_trace_async_logging()\nprint(mlflow_litellm.health())"
    told = succeed(BEGIN + code, tmp_path, **GONE, **AT_ONCE)
    assert told.startswith("1 calls traced, 0 streams abandoned, 1 spans dropped by MLflow")


def test_spans_that_go_to_a_collector_are_not_told(tmp_path: Path) -> None:
    """For a collector, drops are unknown, not 0, as OpenTelemetry's exporter reports none."""
    collector = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}
    protocol = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    code = """
call()
import gc, time
end = time.monotonic() + 30
# LiteLLM's threads have the context of the call, and so its span, for a while.
while mlflow_litellm.health().spans_dropped is not None and time.monotonic() < end:
    gc.collect()
print(mlflow_litellm.health().spans_dropped)
"""
    assert succeed(BEGIN + code, tmp_path, **collector, **protocol, **GONE) == "None\n"


def test_span_for_a_collector_that_is_still_referenced_is_no_loss(tmp_path: Path) -> None:
    """A span that went to a collector is not reported as lost if something still refers to it."""
    code = """
kept = []
litellm.input_callback = [lambda *_: kept.append(mlflow.get_current_active_span())]
call()
"""
    with over_http() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.endpoint,
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        }
        assert "incomplete" not in run(BEGIN + code, tmp_path, **environment).stderr
        assert collector.root()


def test_what_waits_when_tracing_is_switched_off_is_no_loss(tmp_path: Path) -> None:
    """Spans that wait when tracing is switched off are sent later, and are no counted loss."""
    code = """
call()
mlflow.litellm.autolog(disable=True)
mlflow.flush_trace_async_logging()
print(mlflow_litellm.health().spans_dropped, len(mlflow.search_traces()))
"""
    assert succeed(BEGIN + code, tmp_path) == "0 1\n"


def test_stream_that_ends_while_tracing_is_off_is_no_loss(tmp_path: Path) -> None:
    """A stream that ends while tracing is off is no loss, and later spans are counted again."""
    code = """
import gc

stream = call(stream=True)
mlflow.litellm.autolog(disable=True)
list(stream)
mlflow.flush_trace_async_logging()
del stream
gc.collect()
mlflow.litellm.autolog()
call()
mlflow.flush_trace_async_logging()
print(mlflow_litellm.health().spans_dropped, len(mlflow.search_traces()))
"""
    assert succeed(BEGIN + code, tmp_path) == "0 2\n"


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines in which a script reported losses."""
    return [line for line in done.stderr.splitlines() if INCOMPLETE in line]


@pytest.mark.parametrize("first", ["", "with mlflow.start_span('before'): pass\n"])
def test_losses_are_told_in_one_line_at_exit(first: str, tmp_path: Path) -> None:
    """At exit one line reports losses and their cause, also if MLflow's handler runs later."""
    (line,) = said(run(f"import mlflow\n{first}{BEGIN}\ncall()", tmp_path, **GONE, **AT_ONCE))
    assert "1 calls traced" in line
    assert "1 spans dropped by MLflow" in line
    assert "http://127.0.0.1:9" in line


def test_nothing_is_told_where_nothing_was_lost(tmp_path: Path) -> None:
    """Without losses nothing is reported. A stream that was left early is no loss."""
    assert said(run(BEGIN + "call()\nnext(call(stream=True))", tmp_path)) == []


def test_silence_is_kept_at_exit(tmp_path: Path) -> None:
    """With `silent=True` nothing is reported at exit."""
    code = "mlflow.litellm.autolog(silent=True)\ncall()"
    assert said(run(BEGIN + code, tmp_path, **GONE, **AT_ONCE)) == []


def test_report_tells_of_faults() -> None:
    """The report has faults with a remedy. Without faults it names a source of the counts."""
    well = mlflow_litellm.Health(3, {}, 1, 0)
    found = report.own_health(well)
    assert (found.mark, found.remedy) == ("ok", "")
    assert "no fault of tracing here; call mlflow_litellm.health()" in found.text
    ill = mlflow_litellm.Health(3, {"ending a span: LookupError": 2}, 1, 4)
    found = report.own_health(ill)
    assert found.mark == "FAIL"
    assert "tracing is not well: 3 calls traced, 1 streams abandoned, 4 spans" in found.text
    assert "2 faults of tracing (2 x ending a span: LookupError)" in found.text
    assert "set the logger 'mlflow_litellm' to DEBUG" in found.remedy
