"""Guardrails of the proxy: a span for each run, at the right place, and the verdict at the root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from custom_auth import VIRTUAL_KEY
from custom_guardrails import EMAIL, FORBIDDEN
from gateways import root, spans
from mlflow.entities import SpanStatusCode

if TYPE_CHECKING:
    from gateways import Gateway, Spans
    from mlflow.entities import Span, Trace

KEY = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
PATHS = ("chat/completions", "responses", "messages")
BLOCKED = "guardrail_intervened"
FOR_LOGS = "logging_only"


@pytest.fixture
def gateway(guarded_gateway: Gateway) -> Gateway:
    """Use the proxy that has guardrails."""
    return guarded_gateway


def ask(
    gateway: Gateway, recorded: Spans, tag: str, text: str, *guardrails: str, **more: Any
) -> Trace:
    """Send a request with guardrails to the proxy, and return the trace."""
    path = more.pop("path", "chat/completions")
    said = {"messages": [{"role": "user", "content": text}], "input": text}
    told = {key: value for key, value in said.items() if (key == "input") == (path == "responses")}
    model = {"model": "claude", "max_tokens": 50} if path == "messages" else {"model": "chat"}
    body = {**told, **model, **more, "guardrails": guardrails, "litellm_metadata": {"tags": [tag]}}
    httpx.post(f"{gateway.url}/v1/{path}", json=body, headers=KEY, timeout=60)
    return recorded.tagged(tag)


def ran(trace: Trace) -> list[Span]:
    """Return the spans of the guardrails that a request selects, in order of time."""
    return [span for span in guardrail_spans(trace) if said(span, "mode") != [FOR_LOGS]]


def guardrail_spans(trace: Trace) -> list[Span]:
    """Return the spans of guardrails, with those for logs, which run on each request."""
    found = [span for span in trace.data.spans if span.span_type == "GUARDRAIL"]
    return sorted(found, key=lambda span: span.end_time_ns)


def said(span: Span, *names: str) -> list[Any]:
    """Return values of a guardrail span's attributes."""
    return [span.attributes.get(f"guardrail_{name}") for name in names]


def test_masking_before_and_after_the_call_are_two_spans(
    gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """Both spans are below the request, with the count of masked texts and without the texts."""
    trace = ask(gateway, recorded, tag, f"mail {EMAIL}", "masking-pre_call", "masking-post_call")
    before, after = ran(trace)
    assert said(before, "name", "mode", "status") == ["masking-pre_call", "pre_call", "success"]
    assert said(after, "name", "mode", "status") == ["masking-post_call", "post_call", "success"]
    assert before.attributes["masked_entity_count"] == {"EMAIL_ADDRESS": 1}
    assert {before.parent_id, after.parent_id} == {root(trace).span_id}
    assert before.end_time_ns - before.start_time_ns >= 0.2 * 1e9
    assert trace.info.tags["guardrail_status"] == "success"
    assert "standard_logging_guardrail_information" not in trace.to_json()
    assert (before.inputs, before.outputs) == ({}, None)


@pytest.mark.parametrize("path", PATHS)
def test_verdict_that_blocks_is_searched_for_by_a_tag(
    gateway: Gateway, recorded: Spans, tag: str, path: str
) -> None:
    """A tag has the blocking verdict on each route; the guardrail's own span is no error."""
    trace = ask(gateway, recorded, tag, FORBIDDEN, "blocking-pre_call", path=path)
    [guardrail] = ran(trace)
    assert said(guardrail, "status") == [BLOCKED]
    assert guardrail.status.status_code == SpanStatusCode.OK
    assert root(trace).attributes["guardrail_status"] == BLOCKED
    found = recorded.all(filter_string=f"tags.guardrail_status = '{BLOCKED}'")
    assert trace.info.trace_id in [each.info.trace_id for each in found]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_answer_that_is_blocked_has_the_guardrail_after_the_call(
    gateway: Gateway, recorded: Spans, tag: str, stream: bool
) -> None:
    """The call of the model is made, the guardrail runs after it, and the client gets an error."""
    trace = ask(gateway, recorded, tag, FORBIDDEN, "blocking-post_call", stream=stream)
    [guardrail] = ran(trace)
    assert said(guardrail, "mode", "status") == ["post_call", BLOCKED]
    assert root(trace).status.status_code == SpanStatusCode.ERROR
    [call] = spans(trace, "litellm-acompletion")
    assert guardrail.end_time_ns > call.start_time_ns
    assert trace.info.tags["guardrail_status"] == BLOCKED


def test_guardrail_that_allows_says_so(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """The span of a guardrail that allows has LiteLLM's word for that verdict."""
    [guardrail] = ran(ask(gateway, recorded, tag, "hello", "blocking-during_call"))
    assert said(guardrail, "mode", "status", "action") == ["during_call", "success", "allow"]


def test_guardrail_that_fails_is_an_error(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """A guardrail that fails is an error without a verdict."""
    trace = ask(gateway, recorded, tag, "hello", "failing")
    [guardrail] = ran(trace)
    assert guardrail.status.status_code == SpanStatusCode.ERROR
    assert said(guardrail, "status") == ["guardrail_failed_to_respond"]
    assert trace.info.tags["guardrail_status"] == "guardrail_failed_to_respond"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_calls_that_a_guardrail_ends_name_it(
    gateway: Gateway, recorded: Spans, tag: str, stream: bool
) -> None:
    """The calls name the guardrail, though it records nothing and LiteLLM cancels them silently."""
    trace = ask(gateway, recorded, tag, "/hold | hello", "interrupting", stream=stream)
    [guardrail] = ran(trace)
    assert said(guardrail, "name", "mode", "status") == ["interrupting", "during_call", BLOCKED]
    cause = f"{BLOCKED}: interrupting (during_call)"
    for name in ("litellm-Router.acompletion", "litellm-acompletion"):
        [call] = spans(trace, name)
        assert call.status.description == f"CancelledError: {cause}"
        assert call.attributes["cancelled_by"] == cause


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_guardrail_for_logs_is_a_span_below_the_request(
    gateway: Gateway, recorded: Spans, tag: str, stream: bool
) -> None:
    """LiteLLM runs it twice after the response: on the request's content and on the response's."""
    trace = ask(gateway, recorded, tag, f"mail {EMAIL}", stream=stream)
    asked, answered = guardrail_spans(trace)
    for span in (asked, answered):
        assert said(span, "name", "mode") == ["masking-logging_only", FOR_LOGS]
        assert span.parent_id == root(trace).span_id
    assert asked.attributes["masked_entity_count"] == {"EMAIL_ADDRESS": 1}
    assert trace.info.tags["guardrail_status"] == "success"
    assert root(trace).attributes["guardrail_status"] == "success"
