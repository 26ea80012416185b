"""Responses that LiteLLM retries, and responses that it compacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import litellm
import pytest
from callers import SERVER_ERROR
from kinds import SECRET, call, is_async, openai
from mlflow.entities import SpanStatusCode
from traces import exception_event

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span
    from traces import Traces

OK, ERROR = SpanStatusCode.OK, SpanStatusCode.ERROR

needs_retries = pytest.mark.skipif(
    not hasattr(litellm, "responses_with_retries"), reason="LiteLLM does not try them again"
)


def ask(caller: Caller, name: str, text: str, **kwargs: Any) -> Any:
    """Call one of the functions that take a response's arguments."""
    return call(caller, name, **openai(caller, input=text, max_retries=0, **kwargs))


def call_and_attempts(traces: Traces) -> tuple[Span, list[Span]]:
    """Return the span of the user's call, which is the root, and the spans of its attempts."""
    told, *attempts = traces.calls()
    assert told.parent_id is None
    assert {attempt.parent_id for attempt in attempts} == {told.span_id}
    return told, attempts


def states(spans: list[Span]) -> list[SpanStatusCode]:
    """Return the status codes of the spans."""
    return [span.status.status_code for span in spans]


@needs_retries
def test_retries_are_attempts(tracing: Traces, caller: Caller) -> None:
    """Each attempt has a span, also the first, which LiteLLM makes as the call itself."""
    response = ask(caller, "responses", f"/flaky 2 {uuid4()}", num_retries=2)
    told, attempts = call_and_attempts(tracing)
    assert states([told, *attempts]) == [OK, ERROR, ERROR, OK]
    expected = {error.__name__ for error in SERVER_ERROR}
    assert exception_event(attempts[0])["exception.type"] in expected
    assert told.span_type == "CHAIN"
    name = "litellm-aresponses" if is_async(caller) else "litellm-responses"
    assert {(span.name, span.span_type) for span in attempts} == {(name, "LLM")}
    assert told.outputs == attempts[-1].outputs
    assert "mlflow.chat.tokenUsage" not in told.attributes
    assert tracing.one().info.token_usage["total_tokens"] == response.usage.total_tokens


@needs_retries
def test_exhausted_retries_raise_as_they_do_untraced(tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own, and each attempt has an error."""
    with pytest.raises(SERVER_ERROR):
        ask(caller, "responses", "/error 500", num_retries=2)
    told, attempts = call_and_attempts(tracing)
    assert states([told, *attempts]) == [ERROR] * 4
    assert told.attributes["inner_calls"] == 3
    assert tracing.one().info.token_usage is None
    assert SECRET not in tracing.one().to_json()


@needs_retries
def test_responses_with_retries_is_a_chain(tracing: Traces, caller: Caller) -> None:
    """LiteLLM's own function for retries is a chain."""
    text = f"/flaky 1 {uuid4()}"
    response = ask(caller, "responses_with_retries", text, num_retries=2)
    told, attempts = call_and_attempts(tracing)
    prefix = "a" if is_async(caller) else ""
    assert (told.name, told.span_type) == (f"litellm-{prefix}responses_with_retries", "CHAIN")
    assert told.inputs["input"] == text
    assert states([told, *attempts]) == [OK, ERROR, OK]
    assert {span.name for span in attempts} == {f"litellm-{prefix}responses"}
    assert tracing.one().info.token_usage["total_tokens"] == response.usage.total_tokens


@needs_retries
def test_positional_arguments_of_a_retried_response_have_names(
    tracing: Traces, caller: Caller
) -> None:
    """The names are those of the function that LiteLLM passes the arguments to."""
    known = openai(caller, max_retries=0)
    asked = ("hello", known.pop("model"))
    if is_async(caller):
        caller.run(lambda: litellm.aresponses_with_retries(*asked, **known))
    else:
        litellm.responses_with_retries(*asked, **known)
    told, [attempt] = call_and_attempts(tracing)
    assert told.inputs == {"input": "hello", "model": "openai/gpt-4o-mini"}
    assert attempt.inputs["input"] == "hello"


@pytest.mark.skipif(not hasattr(litellm, "compact_responses"), reason="LiteLLM compacts none")
def test_compacted_response_is_one_llm_span(tracing: Traces, caller: Caller) -> None:
    """The span has the input, the compacted items, tokens and cost."""
    response = ask(caller, "compact_responses", "hello", instructions="Be brief.")
    trace = tracing.one()
    [span] = trace.data.spans
    prefix = "a" if is_async(caller) else ""
    assert (span.name, span.span_type) == (f"litellm-{prefix}compact_responses", "LLM")
    model = "openai/gpt-4o-mini"
    assert span.inputs == {"model": model, "input": "hello", "instructions": "Be brief."}
    items = span.outputs["output"]
    assert [item.get("original", item)["type"] for item in items] == ["message", "compaction"]
    assert span.outputs["object"] == "response.compaction"
    assert "finish_reasons" not in span.attributes
    assert trace.info.token_usage["total_tokens"] == response.usage.total_tokens == 60
    assert span.attributes["mlflow.llm.cost"]["total_cost"] > 0
    assert span.attributes["mlflow.llm.provider"] == "openai"
    assert SECRET not in trace.to_json()


@pytest.mark.skipif(not hasattr(litellm, "compact_responses"), reason="LiteLLM compacts none")
def test_compaction_that_fails_is_an_error(tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own."""
    with pytest.raises(litellm.RateLimitError):
        ask(caller, "compact_responses", "/error 429")
    assert tracing.span().status.status_code == ERROR
