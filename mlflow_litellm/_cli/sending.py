"""Sends one trace, and reads it back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mlflow_litellm._cli import report, store
from mlflow_litellm._cli.report import Finding
from mlflow_litellm._tracing import health
from mlflow_litellm._tracing.store.errors import ProblemError, store_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_SENT = Finding("note", "no trace was sent", "remove the problem that is marked with FAIL first")
MESSAGES = [{"role": "user", "content": "Does this trace arrive?"}]


def send() -> Iterator[Finding]:
    """Make a call of LiteLLM's mock, and yield whether its trace arrived, and after which time."""
    import mlflow

    from mlflow_litellm._tracing.mlflow_compat import exports_to_otlp_only

    only_to_collector = exports_to_otlp_only()
    if not only_to_collector:
        store.make_local()
    trace_id = _make_call()
    started = time.monotonic()
    if trace_id is None:
        yield _no_trace()
    elif only_to_collector:
        mlflow.flush_trace_async_logging()
        what = f"the trace {trace_id} was sent to the collector, which cannot be asked for it"
        yield Finding("note", what, "look for it there")
    else:
        yield _read_back(trace_id, started)
    yield report.own_health(health.health())


def _make_call() -> str | None:
    """Return the trace of a call, or None if the call has no trace."""
    import litellm
    import mlflow

    before = mlflow.get_last_active_trace_id()
    metadata = {"tags": ["example:doctor"]}
    litellm.completion(
        model="gpt-4o-mini", messages=MESSAGES, mock_response="Yes.", metadata=metadata
    )
    trace_id = mlflow.get_last_active_trace_id()
    return None if trace_id == before else trace_id


def _no_trace() -> Finding:
    counted = health.health()
    if health.Reason.NOT_SAMPLED.value in counted.calls_not_traced:
        what = "the call was not sampled, so it has no trace"
        return Finding("note", what, "run this again, or unset MLFLOW_TRACE_SAMPLING_RATIO")
    return Finding("FAIL", f"the call has no trace: {counted}", "report this")


def _read_back(trace_id: str, started: float) -> Finding:
    import mlflow

    def read() -> Any:
        mlflow.flush_trace_async_logging()
        return mlflow.get_trace(trace_id)

    try:
        trace = store.ask(read)
    except ProblemError as problem:
        return Finding("FAIL", problem.what, problem.remedy)
    if trace is None or not trace.data.spans:
        what = f"the trace {trace_id} did not arrive in {store_uri()}"
        remedy = "look at the log above; with the logger mlflow at DEBUG it says more"
        return Finding("FAIL", what, remedy)
    seconds = time.monotonic() - started
    what = f"a trace was sent to {store_uri()} and read back after {seconds:.2f} s: {trace_id}"
    return Finding("ok", what)
