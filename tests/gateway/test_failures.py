"""A failure at the proxy is the same error for the client as untraced, and makes one trace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
from configurations import EXPERIMENT, VENDORS_KEY, configuration
from custom_auth import MASTER_KEY, SPENT_KEY, VIRTUAL_KEY
from gateways import ROUTED, Gateway, Spans, root, spans, tree
from mlflow.entities import SpanStatusCode
from processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Trace
    from processes import Provider, TrackingServer

OK, ERROR = SpanStatusCode.OK, SpanStatusCode.ERROR
BAD_KEY = "sk-bad-secret-0123456789"
PATH = "/v1/chat/completions"
REFUSED: list[Any] = []


class Case(NamedTuple):
    """
    A request that fails.

    Attributes:
        model: The requested model.
        text: The user's message.
        error: The exception's type.
        below: The tree below the root.
        key: The key of the request.
    """

    model: str
    text: str
    error: str
    below: list[Any]
    key: str = VIRTUAL_KEY


CASES = {
    "bad key": Case("chat", "hello", "ProxyException", REFUSED, BAD_KEY),
    "spent budget": Case("chat", "hello", "BudgetExceededError", REFUSED, SPENT_KEY),
    "unknown model": Case("none", "hello", "ProxyModelNotFoundError", REFUSED),
    "provider down": Case("lost", "hello", "InternalServerError", ROUTED),
    "provider fails": Case("chat", "/error 500 boom", "InternalServerError", ROUTED),
    "provider refuses": Case("chat", "/error 429 boom", "RateLimitError", ROUTED),
}


class Failed(NamedTuple):
    """A case, the responses of an untraced and of the traced proxy, and the trace."""

    case: Case
    untraced: httpx.Response
    answer: httpx.Response
    trace: Trace


def body(model: str, text: str, tag: str, **more: Any) -> dict[str, Any]:
    """Return the body of a request for a chat or a message."""
    messages = [{"role": "user", "content": text}]
    return {"model": model, "messages": messages, "litellm_metadata": {"tags": [tag]}, **more}


def post(gateway: Gateway, asked: dict[str, Any], key: str, path: str = PATH) -> httpx.Response:
    """Return a proxy's response, also if it is an error."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{gateway.url}{path}", json=asked, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def untraced(tmp_path_factory: pytest.TempPathFactory, vendor: Provider) -> Iterator[Gateway]:
    """Run a proxy that differs from the other one only in not being traced."""
    config = configuration()
    del config["litellm_settings"]["callbacks"]
    folder = tmp_path_factory.mktemp("untraced")
    with running(Gateway(folder, config, vendor.environment)) as started:
        yield started.wait()


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def failed(
    request: pytest.FixtureRequest, gateway: Gateway, untraced: Gateway, tracking: TrackingServer
) -> Failed:
    """Run each case once at each proxy."""
    case, tag = request.param, f"test-{uuid4().hex}"
    asked = body(case.model, case.text, tag)
    expected, answer = post(untraced, asked, case.key), post(gateway, asked, case.key)
    trace = Spans(tracking.uri, EXPERIMENT).tagged(tag)
    return Failed(case, expected, answer, trace)


def without(secret: str, told: Any) -> Any:
    """Return a response's data as they are recorded, with the client's key removed."""
    if isinstance(told, dict):
        return {name: without(secret, value) for name, value in told.items()}
    return told.replace(secret, "[REDACTED]") if isinstance(told, str) else told


def exception(trace: Trace) -> dict[str, Any]:
    """Return the attributes of the root's exception event."""
    [event] = [event for event in root(trace).events if event.name == "exception"]
    return event.attributes


def states(trace: Trace, name: str) -> list[SpanStatusCode]:
    """Return the status of each span of a name, in order of time."""
    return [span.status.status_code for span in spans(trace, name)]


def said(outputs: dict[str, Any]) -> str:
    """Return the text of the response that a span records: a chat's or a message's."""
    if "choices" in outputs:
        return outputs["choices"][0]["message"]["content"]
    return "".join(block["text"] for block in outputs["content"])


def test_client_gets_what_it_gets_untraced(failed: Failed) -> None:
    """The client gets the same status and the same error text as untraced."""
    assert failed.answer.status_code == failed.untraced.status_code >= 400
    assert failed.answer.json() == failed.untraced.json()


def test_failed_request_is_one_trace(failed: Failed) -> None:
    """A failed request is one trace; a refused one has no call below the root."""
    assert tree(failed.trace) == (f"POST {PATH}", failed.case.below)


def test_every_span_of_a_failed_request_is_an_error(failed: Failed) -> None:
    """Each span of a failed request has the status ERROR."""
    assert {span.status.status_code for span in failed.trace.data.spans} == {ERROR}


def test_root_of_a_failed_request_is_a_chain(failed: Failed) -> None:
    """The root of a failed request is a CHAIN, also if no model was called."""
    assert root(failed.trace).span_type == "CHAIN"


def test_root_has_the_status_and_the_error_that_the_client_got(failed: Failed) -> None:
    """The root has the client's status and error, without the client's key."""
    span = root(failed.trace)
    assert span.attributes["http.response.status_code"] == failed.answer.status_code
    assert span.outputs == without(failed.case.key, failed.answer.json())


def test_root_has_the_exception(failed: Failed) -> None:
    """The root has the exception, with LiteLLM's type and the client's message."""
    told, message = exception(failed.trace), failed.answer.json()["error"]["message"]
    assert told["exception.type"] == failed.case.error
    assert without(failed.case.key, message) in told["exception.message"]
    assert root(failed.trace).status.description.startswith(f"{failed.case.error}: ")


def test_failed_request_has_no_key_in_its_trace(failed: Failed) -> None:
    """Neither the client's key nor the proxy's nor the provider's is in the trace."""
    told = str(failed.trace.to_dict())
    secrets = (BAD_KEY, SPENT_KEY, VIRTUAL_KEY, MASTER_KEY, VENDORS_KEY)
    assert [secret for secret in secrets if secret in told] == []


def test_key_that_is_refused_is_quoted_to_the_client_alone(
    gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """The proxy's check quotes a refused key to the client, but the trace does not have it."""
    answer = post(gateway, body("chat", "hello", tag), BAD_KEY)
    assert (answer.status_code, BAD_KEY in answer.text) == (401, True)
    description = root(recorded.tagged(tag)).status.description
    assert description == "ProxyException: Invalid key: [REDACTED]"


def test_fallback_is_two_attempts_at_one_request(
    gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """The first attempt fails, and the request succeeds."""
    answer = post(gateway, body("down", "hello", tag), VIRTUAL_KEY)
    trace = recorded.tagged(tag)
    attempts = [("litellm-acompletion", [])] * 2
    assert tree(trace) == (f"POST {PATH}", [("litellm-Router.acompletion", attempts)])
    assert states(trace, "litellm-acompletion") == [ERROR, OK]
    assert states(trace, "litellm-Router.acompletion") == [OK]
    assert root(trace).status.status_code == OK
    assert root(trace).outputs == answer.json()


def test_malformed_body_is_one_trace(gateway: Gateway, untraced: Gateway, recorded: Spans) -> None:
    """A request with a malformed body is one trace, which is found by its path."""
    path = f"/engines/model-{uuid4().hex}/chat/completions"
    headers = {"Authorization": f"Bearer {VIRTUAL_KEY}", "Content-Type": "application/json"}
    expected, answer = (
        httpx.post(f"{url}{path}", content=b'{"model": ', headers=headers)
        for url in (untraced.url, gateway.url)
    )
    assert answer.status_code == expected.status_code == 400
    assert answer.json() == expected.json()
    [trace] = recorded.when(lambda trace: root(trace).name == f"POST {path}")
    assert tree(trace) == (f"POST {path}", [])
    assert root(trace).status.status_code == ERROR
    assert root(trace).attributes["http.response.status_code"] == 400
    assert root(trace).outputs == answer.json()


STREAMS = {
    "chat": (PATH, "chat"),
    "messages": ("/v1/messages", "claude"),
    "passed through": ("/own/path", "gpt-4o-mini"),
}


@pytest.mark.parametrize(("path", "model"), STREAMS.values(), ids=STREAMS)
def test_error_in_a_stream_is_the_roots(
    path: str, model: str, gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """The root has the error of the stream, and the text that came before it."""
    asked = body(model, "/event-error 2", tag, stream=True, max_tokens=50)
    answer = post(gateway, asked, VIRTUAL_KEY, path)
    assert (answer.status_code, "scripted failure" in answer.text) == (200, True)
    [trace] = recorded.when(lambda trace: tag in str(root(trace).attributes))
    assert {span.status.status_code for span in trace.data.spans} == {ERROR}
    assert root(trace).attributes["stream_end"] == "failed"
    assert said(root(trace).outputs) == "w0 w1 "
    assert "scripted failure" in exception(trace)["exception.message"]


def cut(vendor: Provider, gateway: Gateway, path: str, model: str, tag: str) -> tuple[int, str]:
    """Return the status and text of a response whose provider hangs up after two words."""
    # LiteLLM's client drops pending chunks when it notices the broken connection.
    asked = body(model, "/hold-break 2", tag, stream=True, max_tokens=50)
    headers, text = {"Authorization": f"Bearer {VIRTUAL_KEY}"}, ""
    with httpx.stream("POST", f"{gateway.url}{path}", json=asked, headers=headers) as answer:
        try:
            for piece in answer.iter_text():
                text += piece
                if "w1" in piece:
                    vendor.say("release")
        finally:
            vendor.say("hold")
    # LiteLLM logs the time of each chunk, in seconds.
    return answer.status_code, re.sub(r'"created":\d+', '"created":0', text)


@pytest.mark.parametrize(
    ("path", "model"), [STREAMS["chat"], STREAMS["messages"]], ids=["chat", "messages"]
)
def test_broken_connection_to_the_provider_is_an_error(
    path: str, model: str, vendor: Provider, gateway: Gateway, untraced: Gateway,
    recorded: Spans, tag: str,
) -> None:  # fmt: skip
    """All spans have the status ERROR; the client gets the same response as untraced."""
    expected, answer = (cut(vendor, each, path, model, tag) for each in (untraced, gateway))
    assert answer == expected
    trace = recorded.tagged(tag)
    assert {span.status.status_code for span in trace.data.spans} == {ERROR}
    assert root(trace).attributes["http.response.status_code"] == 200
    assert root(trace).attributes["stream_end"] == "failed"
    assert said(root(trace).outputs) == "w0 w1 "
    # The message of httpx or of OpenAI's client.
    assert re.search("not completed|Connection error", exception(trace)["exception.message"])


def test_stream_that_a_guardrail_ends_as_if_whole_is_an_error(
    guarded_gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """The client sees no error in the incomplete stream; the root records it."""
    asked = body("chat", "/break 2", tag, stream=True, guardrails=["quiet"])
    answer = post(guarded_gateway, asked, VIRTUAL_KEY)
    assert (answer.status_code, "error" in answer.text) == (200, False)
    trace = recorded.tagged(tag)
    assert {span.status.status_code for span in trace.data.spans} == {ERROR}
    assert root(trace).attributes["stream_end"] == "failed"


def test_broken_connection_of_a_passed_through_stream_is_an_error(
    vendor: Provider, gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """A broken passed-through stream ends the client's too; the text before it is recorded."""
    with pytest.raises(httpx.RemoteProtocolError):
        cut(vendor, gateway, "/own/path", "gpt-4o-mini", tag)
    [trace] = recorded.when(lambda trace: tag in str(root(trace).attributes))
    assert root(trace).status.status_code == ERROR
    assert root(trace).attributes["stream_end"] == "failed"
    assert said(root(trace).outputs) == "w0 w1 "


def leave(gateway: Gateway, path: str, asked: dict[str, Any]) -> None:
    """Read three words of a stream, and close it."""
    headers = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
    with httpx.stream("POST", f"{gateway.url}{path}", json=asked, headers=headers) as answer:
        assert any("w2" in line for line in answer.iter_lines())


@pytest.mark.parametrize(("path", "model"), STREAMS.values(), ids=STREAMS)
def test_client_that_leaves_a_stream_abandons_it(
    path: str, model: str, gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """All spans of an abandoned stream end, with the text that came until then."""
    leave(gateway, path, body(model, "/hold-after 3", tag, stream=True, max_tokens=50))
    [trace] = recorded.when(lambda trace: tag in str(root(trace).attributes))
    assert root(trace).attributes["stream_end"] == "abandoned"
    assert root(trace).status.status_code == OK
    assert len(trace.data.spans) == (1 if path == "/own/path" else 3)
    assert {said(span.outputs) for span in trace.data.spans} == {"w0 w1 w2 "}
    assert all(span.end_time_ns for span in trace.data.spans)


def test_client_that_leaves_before_the_answer_has_one_trace(
    gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """LiteLLM continues as if untraced: the trace ends with the provider's response, after 20 s."""
    headers = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
    asked = body("chat", "/hold", tag)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{gateway.url}{PATH}", json=asked, headers=headers, timeout=1)
    trace = recorded.tagged(tag)
    assert tree(trace) == (f"POST {PATH}", ROUTED)
    assert root(trace).attributes["client_disconnected"] is True


def test_provider_that_refuses_says_its_code(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """The attempt and the Router's call have the provider's status code, as LiteLLM reports it."""
    post(gateway, body("chat", "/error 429 boom", tag), VIRTUAL_KEY)
    calls = [span for span in recorded.tagged(tag).data.spans if span.parent_id]
    assert [span.attributes["error_code"] for span in calls] == [429, 429]
