"""The duration, the number of attempts, and the provider's remaining rate limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from callers import ANTHROPIC, MODEL, SERVER_ERROR, SyncCaller, user
from exchanges import EXCHANGES, Exchange

from mlflow_litellm._payloads.hidden_params import call_attributes, failure_attributes

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span
    from traces import Traces

REMAINING = {"ratelimit_remaining_requests": 99, "ratelimit_remaining_tokens": 9999}
COUNTED = {"stream_options": {"include_usage": True}}


def answered(caller: Caller, text: str, *, stream: bool, **kwargs: Any) -> None:
    """Make a call, and read its stream to the end."""
    if stream:
        caller.stream(text, **COUNTED, **kwargs)
    else:
        caller.complete(text, **kwargs)


def seconds(span: Span) -> float:
    """Return a span's duration in seconds."""
    return (span.end_time_ns - span.start_time_ns) / 1e9


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", [MODEL, ANTHROPIC])
def test_what_may_still_be_asked_is_recorded(
    model: str, stream: bool, tracing: Traces, caller: Caller
) -> None:
    """The rate limits are recorded as counts, and no other header is recorded."""
    answered(caller, "hello", stream=stream, model=model)
    attributes = tracing.span().attributes
    assert REMAINING.items() <= attributes.items()
    assert not [key for key in attributes if "header" in key or "cookie" in key]
    assert "very-secret-cookie" not in tracing.one().to_json()


@pytest.mark.parametrize(
    "exchange",
    [exchange for exchange in EXCHANGES if exchange.provider in {"openai", "azure", "anthropic"}],
    ids=lambda exchange: exchange.provider,
)
def test_each_provider_names_it_in_its_own_way(
    exchange: Exchange, tracing: Traces, caller: Caller
) -> None:
    """The names of the attributes are the same for each provider."""
    exchange.complete(caller)
    attributes = tracing.span().attributes
    assert all(isinstance(attributes[name], int) for name in REMAINING)


def test_failed_call_tells_it_too(tracing: Traces, caller: Caller) -> None:
    """The span of a failed call has the rate limits as well."""
    with pytest.raises(litellm.RateLimitError):
        caller.complete("/error 429")
    attributes = tracing.span().attributes
    assert REMAINING.items() <= attributes.items()
    assert attributes["mlflow.llm.provider"] == "openai"


def test_failed_call_tells_how_often_it_was_tried_again(tracing: Traces, caller: Caller) -> None:
    """The span has the count, also for a sync call, whose exception has none from LiteLLM."""
    with pytest.raises(SERVER_ERROR):
        caller.complete("/error 500", num_retries=1)
    call, *_ = tracing.calls()
    assert call.attributes["attempted_retries"] == 1
    assert call.inputs["num_retries"] == 1


def test_setting_of_a_deployment_is_no_count_of_attempts(tracing: Traces, caller: Caller) -> None:
    """LiteLLM sets the deployment's ``num_retries`` on the exception even without a retry."""
    arguments = caller.arguments("", num_retries=3)
    del arguments["messages"]
    router = litellm.Router(
        model_list=[{"model_name": "group", "litellm_params": arguments}], num_retries=0
    )
    asked = {"model": "group", "messages": user("/error 400")}
    with pytest.raises(litellm.BadRequestError):
        if isinstance(caller, SyncCaller):
            router.completion(**asked)
        else:
            caller.run(lambda: router.acompletion(**asked))
    attempts = tracing.calls()
    assert not any(span.attributes.get("attempted_retries") for span in attempts)


def test_router_tells_the_attempt_and_the_deployment(tracing: Traces, caller: Caller) -> None:
    """Each attempt has a span with Router's metadata, also the failed one."""
    arguments = caller.arguments("")
    del arguments["messages"]
    deployment = {
        "model_name": "group",
        "litellm_params": arguments,
        "model_info": {"id": "deployment-1"},
    }
    router = litellm.Router(model_list=[deployment], num_retries=1)
    asked = {"model": "group", "messages": user("/flaky 1 router-" + caller.span_name)}
    if isinstance(caller, SyncCaller):
        router.completion(**asked)
    else:
        caller.run(lambda: router.acompletion(**asked))
    _, failed, succeeded = tracing.calls()
    for span in (failed, succeeded):
        assert span.attributes["model_group"] == "group"
        assert span.attributes["model_id"] == "deployment-1"
        assert span.attributes["deployment"] == MODEL
    assert succeeded.attributes["attempted_retries"] == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_litellms_own_time_is_recorded(stream: bool, tracing: Traces, caller: Caller) -> None:
    """The time that LiteLLM itself takes is recorded in ms."""
    answered(caller, "hello", stream=stream)
    span = tracing.span()
    assert 0 < span.attributes["litellm_overhead_time_ms"] <= seconds(span) * 1000


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_speed_is_recorded(stream: bool, tracing: Traces, caller: Caller) -> None:
    """The speed is the output tokens for each second of the call."""
    answered(caller, "one two three four", stream=stream)
    span = tracing.span()
    said = span.attributes["mlflow.chat.tokenUsage"]["output_tokens"]
    speed = span.attributes["output_tokens_per_second"]
    assert speed == pytest.approx(said / seconds(span), rel=0.5)


def test_speed_of_a_cache_is_not(tracing: Traces, caller: Caller, litellm_cache: None) -> None:
    """The speed of a cached response does not measure the model."""
    for _ in range(2):
        caller.complete("timed", caching=True)
    first, second = tracing.calls()
    assert "output_tokens_per_second" in first.attributes
    assert "output_tokens_per_second" not in second.attributes


def test_content_comes_after_reasoning(tracing: Traces, caller: Caller) -> None:
    """A stream has two times: to the first chunk of any kind, and to the first content."""
    caller.stream("/reason")
    caller.stream("/say | hello", model=ANTHROPIC)
    reasoned, without_reasoning = tracing.calls()
    first, content = (
        reasoned.attributes[f"time_to_first_{what}_ms"] for what in ("chunk", "content")
    )
    assert 0 < first < content <= seconds(reasoned) * 1000 + 1
    assert without_reasoning.attributes["time_to_first_content_ms"] > 0


def test_tool_call_is_content(tracing: Traces, caller: Caller) -> None:
    """A tool call counts as content, because an agent waits for it."""
    caller.stream("/tools")
    assert tracing.span().attributes["time_to_first_content_ms"] > 0


def test_stream_of_reasoning_alone_has_no_time_to_content(tracing: Traces, caller: Caller) -> None:
    """A stream that is closed before its content has no time to the first content."""
    stream = caller.complete("/reason", stream=True)
    caller.next(stream)
    caller.close(stream)
    attributes = tracing.span().attributes
    assert attributes["time_to_first_chunk_ms"] > 0
    assert "time_to_first_content_ms" not in attributes


def test_longest_gap_is_recorded(tracing: Traces, caller: Caller) -> None:
    """The longest time between two chunks is recorded in ms."""
    provider = caller.provider
    provider.arrived.clear()
    provider.release.clear()
    stream = caller.complete("/hold-after 2 | one two three four", stream=True)
    caller.next(stream)
    caller.next(stream)
    began = time.perf_counter()
    assert provider.arrived.wait(10)
    least_ms = (time.perf_counter() - began) * 1000
    provider.release.set()
    caller.read(stream)
    span = tracing.span()
    assert least_ms <= span.attributes["longest_chunk_gap_ms"] <= seconds(span) * 1000


def test_single_chunk_has_no_gap(tracing: Traces, caller: Caller) -> None:
    """After a single chunk the attribute is absent."""
    stream = caller.complete("hello", stream=True)
    caller.next(stream)
    caller.close(stream)
    assert "longest_chunk_gap_ms" not in tracing.span().attributes


@pytest.mark.parametrize("value", ["many", "", None, True, "1.5", "-1", b"1"])
def test_header_that_holds_no_count_is_left_out(value: Any) -> None:
    """A header whose value is not a count is not recorded."""
    headers = {"x-ratelimit-remaining-requests": value, "x-ratelimit-remaining-tokens": 7}
    told = call_attributes({"additional_headers": headers})
    assert told == {"ratelimit_remaining_tokens": 7}


@pytest.mark.parametrize("headers", [None, "text", 5, []])
def test_headers_of_another_type_tell_nothing(headers: Any) -> None:
    """Headers of another type are ignored."""
    assert call_attributes({"additional_headers": headers}) == {}
    error = ValueError()
    error.litellm_response_headers = headers  # type: ignore[attr-defined]
    assert failure_attributes(error, {}) == {}
