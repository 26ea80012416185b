"""All kinds of call other than chat: one span with its type, the request, or the error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow.entities import SpanStatusCode
from services import SECRET, SERVICES, Service, span_name
from traces import exception_event

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

pytestmark = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
FILES = {"image", "file", "document"}


def test_call_leaves_one_span(service: Service, tracing: Traces, caller: Caller) -> None:
    """The async call has one span too, although LiteLLM runs the sync function in a thread."""
    service.call(caller)
    span = tracing.span()
    assert (span.name, span.span_type) == (span_name(caller, service.name), service.span_type)
    assert (span.parent_id, span.status.status_code) == (None, SpanStatusCode.OK)


def test_request_is_recorded_as_sent(service: Service, tracing: Traces, caller: Caller) -> None:
    """Arguments are recorded by name, None is absent, and files are described."""
    service.call(caller, user=None, timeout=30)
    inputs = tracing.span().inputs
    assert inputs.keys() == service.arguments.keys()
    given = {key: value for key, value in service.arguments.items() if key not in FILES}
    assert {key: value for key, value in inputs.items() if key not in FILES} == given


def test_model_and_provider_are_recorded(service: Service, tracing: Traces, caller: Caller) -> None:
    """The names are LiteLLM's, and the address is recorded."""
    service.call(caller)
    attributes = tracing.span().attributes
    assert attributes.get("model") == service.arguments.get("model")
    assert attributes["mlflow.llm.provider"] == service.provider
    assert attributes["custom_llm_provider"] == service.provider
    assert attributes["api_base"].startswith("http://127.0.0.1:")
    assert attributes["cache_hit"] is False


def test_result_is_what_litellm_returns(service: Service, traces: Traces, caller: Caller) -> None:
    """The result has the same type and the same data as untraced."""
    untraced = service.call(caller)
    mlflow.litellm.autolog()
    traced = service.call(caller)
    assert type(traced) is type(untraced)
    assert len(traces.all()) == 1
    assert _told(traced) == _told(untraced)


def test_what_is_sent_is_the_same(service: Service, traces: Traces, caller: Caller) -> None:
    """The request has the same bytes, except for the random boundary of forms."""
    service.call(caller)
    mlflow.litellm.autolog()
    service.call(caller)
    untraced, traced = caller.provider.requests[-2:]
    assert (traced.path, len(traced.raw)) == (untraced.path, len(untraced.raw))
    assert traced.headers.keys() == untraced.headers.keys()
    assert traced.body == untraced.body


@pytest.mark.parametrize("failing", [False, True], ids=["fine", "failing"])
def test_no_secret_is_recorded(
    failing: bool, service: Service, tracing: Traces, caller: Caller
) -> None:
    """Keys, headers and signatures of URLs are absent."""
    try:
        service.call(
            caller,
            extra_headers={"X-Token": SECRET},
            aws_secret_access_key=SECRET,
            metadata={"password": SECRET},
            **(service.failing if failing else {}),
        )
    except Exception:
        assert failing
    assert SECRET not in tracing.one().to_json()


def test_failed_call_is_an_error_span_and_the_same_exception(
    service: Service, tracing: Traces, caller: Caller
) -> None:
    """The span has an exception event with type, message and stack trace, and the request."""
    with pytest.raises(Exception, match="out of luck") as raised:
        service.call(caller, **service.failing)
    span = tracing.span()
    event = exception_event(span)
    assert span.status.status_code == SpanStatusCode.ERROR
    assert event["exception.type"] == type(raised.value).__name__
    assert event["exception.message"] == str(raised.value)
    assert "Traceback" in event["exception.stacktrace"]
    assert span.attributes["mlflow.llm.provider"] == service.provider
    assert span.inputs.keys() == {**service.arguments, **service.failing}.keys()


def test_content_is_left_out_on_demand(service: Service, traces: Traces, caller: Caller) -> None:
    """With content off, the provider and the model are still recorded."""
    mlflow.litellm.autolog(log_content=False)
    service.call(caller)
    span = traces.span()
    assert span.outputs is None
    assert span.inputs.keys() <= {"model"}
    assert span.attributes["mlflow.llm.provider"] == service.provider


def test_span_is_small(service: Service, tracing: Traces, caller: Caller) -> None:
    """Images, recordings and vectors of 100 kB are attachments or are described."""
    service.call(caller)
    assert len(json.dumps(tracing.span().to_dict())) < 12_000


def _told(response: object) -> object:
    dump = getattr(response, "model_dump", None)
    # Some responses have their own time.
    told = dump(exclude={"created"}) if dump else getattr(response, "content", None)
    assert told
    return told
