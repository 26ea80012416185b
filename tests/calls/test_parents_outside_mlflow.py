"""A call below an OpenTelemetry span that has no trace in MLflow is a root of its own trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from children import succeed

if TYPE_CHECKING:
    from pathlib import Path

# OpenTelemetry and MLflow share one provider of tracers.
SHARED = {"MLFLOW_USE_DEFAULT_TRACER_PROVIDER": "false"}
SPAN_ID = "b7ad6b7169203331"
BEGIN = f"""
from contextlib import nullcontext
import litellm, mlflow, mlflow_litellm
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

CALL = {{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "hi"}}],
        "mock_response": "hello"}}
REMOTE = {{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-{SPAN_ID}-01"}}

def start_span():
    return trace.get_tracer("program").start_as_current_span("of the program")

def receive_request():
    litellm.completion(**CALL)
    context.attach(TraceContextTextMapPropagator().extract(REMOTE))

trace.set_tracer_provider(TracerProvider())
mlflow.litellm.autolog()
"""
REPORT = """
mlflow.flush_trace_async_logging()
health = mlflow_litellm.health()
print(health.calls, health.calls_lost)
for found in mlflow.search_traces(locations=["0"], return_type="list"):
    [span] = found.data.spans
    print(span.parent_id, "otel_trace_id" in span.attributes, span.get_attribute("otel_span_id"))
"""
WITHIN = """
    outer = trace.get_current_span().get_span_context()
    print(f"{outer.span_id:016x}")
    litellm.completion(**CALL)
    litellm.completion(**CALL)
"""


def test_call_below_a_span_that_began_before_mlflow_has_a_trace(tmp_path: Path) -> None:
    """Each root records the id of the OpenTelemetry span that is current at the call."""
    code = f"with start_span():{WITHIN}{REPORT}"
    span_id, health, *roots = succeed(BEGIN + code, tmp_path, **SHARED).splitlines()
    assert health == "2 {}"
    assert roots == [f"None True {span_id}"] * 2


@pytest.mark.parametrize("span", ["start_span()", "nullcontext()"])
def test_call_below_a_span_of_another_process_has_a_trace(span: str, tmp_path: Path) -> None:
    """The call is also traced if a server has started a span below the remote one."""
    code = f"receive_request()\nwith {span}:{WITHIN}{REPORT}"
    span_id, health, *roots = succeed(BEGIN + code, tmp_path, **SHARED).splitlines()
    assert health == "3 {}"
    assert sorted(roots) == ["None False None", *[f"None True {span_id}"] * 2]


def test_call_below_a_span_that_is_sampled_out_is_not_traced(tmp_path: Path) -> None:
    """The parent is sampled out, so its calls are not traced either."""
    off = "trace._TRACER_PROVIDER = TracerProvider(sampler=sampling.ALWAYS_OFF)\n"
    code = f"{off}with start_span():{WITHIN}{REPORT}"
    assert succeed(BEGIN + code, tmp_path, **SHARED).splitlines()[1:] == ["0 {}"]
