"""The header ``traceparent`` is sent to a LiteLLM Proxy, and to others only on request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import ANTHROPIC, MODEL, needs_all_messages, user

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span
    from provider import LoopbackProvider
    from traces import Traces

PROXY = "litellm_proxy/gpt-4o-mini"
GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MESSAGE = {"messages": user("hello"), "max_tokens": 100}
# The functions with which LiteLLM may send headers, and the arguments of each.
KINDS: dict[str, dict[str, Any]] = {
    "completion": {"messages": user("hello")},
    "text_completion": {"prompt": "hello"},
    "embedding": {"input": ["hello"]},
    "responses": {"input": "hello"},
}


def sent(provider: LoopbackProvider) -> str | None:
    """Return the ``traceparent`` of the last request."""
    return provider.requests[-1].headers.get("traceparent")


def told(provider: LoopbackProvider) -> str:
    """Return the ids of the trace and of the span in the header of the last request."""
    version, trace_id, span_id, flags = (sent(provider) or "").split("-")
    # The lowest bit of the flags says that the trace is recorded.
    assert (version, int(flags, 16) & 1) == ("00", 1)
    return f"tr-{trace_id}/{span_id}"


def name_of(span: Span) -> str:
    """Return a span's ids in the format that `told` returns."""
    return f"{span.trace_id}/{span.span_id}"


def ask(kind: str, is_async: bool, **kwargs: Any) -> Any:
    """Call one of LiteLLM's functions by its sync name, synchronously or asynchronously."""
    if not is_async:
        return getattr(litellm, kind)(**kwargs)

    async def main() -> Any:
        name = "atext_completion" if kind == "text_completion" else f"a{kind}"
        return await getattr(litellm, name)(**kwargs)

    return asyncio.run(main())


@pytest.mark.parametrize("model", [MODEL, ANTHROPIC])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_vendor_is_told_nothing(model: str, stream: bool, tracing: Traces, caller: Caller) -> None:
    """A provider gets no header, because the ids of traces are private to the user."""
    with mlflow.start_span("agent"):
        result = caller.complete("hello", model=model, stream=stream)
        if stream:
            caller.read(result)
    assert sent(caller.provider) is None


@pytest.mark.parametrize("model", [MODEL, ANTHROPIC])
def test_vendor_is_told_where_that_is_asked_for(
    model: str, tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider gets the header if LiteLLM's own setting asks for it."""
    monkeypatch.setattr(litellm, "forward_traceparent_to_llm_provider", True)
    caller.complete("hello", model=model)
    assert told(caller.provider) == name_of(tracing.span())


@pytest.mark.parametrize(
    "way",
    [
        {"model": PROXY},
        {"model": "gpt-4o-mini", "custom_llm_provider": "litellm_proxy"},
        {"model": "gpt-4o-mini", "use_litellm_proxy": True},
    ],
    ids=["model", "custom_llm_provider", "use_litellm_proxy"],
)
def test_proxy_is_told_the_span(way: dict[str, Any], tracing: Traces, caller: Caller) -> None:
    """Each way to direct a call to a proxy sends the header."""
    caller.complete("hello", **way)
    assert told(caller.provider) == name_of(tracing.span())


def test_proxy_for_every_call_is_told(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteLLM's global switch directs each call to the proxy, and the header is sent."""
    monkeypatch.setattr(litellm, "use_litellm_proxy", True)
    caller.complete("hello", model="gpt-4o-mini")
    assert told(caller.provider) == name_of(tracing.span())


@pytest.mark.parametrize("value", ["True", "true"])
def test_proxy_of_the_environment_is_told(
    value: str, tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is read as LiteLLM reads it."""
    monkeypatch.setenv("USE_LITELLM_PROXY", value)
    caller.complete("hello", model="gpt-4o-mini")
    assert told(caller.provider) == name_of(tracing.span())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_tells_its_span(
    kind: str, is_async: bool, tracing: Traces, provider: LoopbackProvider
) -> None:
    """The header of each kind names the call's span, also if LiteLLM makes an inner call."""
    known = {"model": PROXY, "api_base": provider.openai_base, "api_key": "none"}
    ask(kind, is_async, **known, **KINDS[kind], extra_headers={"x-team": "blue"})
    if "x-team" not in provider.requests[-1].headers:
        pytest.skip("LiteLLM sends no headers with these")
    assert told(provider) == name_of(tracing.span())


@needs_all_messages
def test_messages_tell_their_span(tracing: Traces, provider: LoopbackProvider) -> None:
    """Calls in Anthropic's format to a proxy send the header."""
    known = {"model": PROXY, "api_base": provider.openai_base, "api_key": "none"}
    asyncio.run(litellm.anthropic.messages.acreate(**known, **MESSAGE))
    assert told(provider) == name_of(tracing.span())


def test_stream_tells_its_span(tracing: Traces, caller: Caller) -> None:
    """The header names the span that ends with the stream."""
    caller.stream("hello", model=PROXY)
    assert told(caller.provider) == name_of(tracing.span())


def test_the_calls_span_is_told_not_its_parent(tracing: Traces, caller: Caller) -> None:
    """The header names the call's span, because the proxy's spans are its children."""
    with mlflow.start_span("agent"):
        caller.complete("hello", model=PROXY)
    [span] = tracing.calls()
    assert told(caller.provider) == name_of(span)
    assert span.parent_id is not None


def test_attempt_of_a_router_is_told(tracing: Traces, provider: LoopbackProvider) -> None:
    """Each attempt's header names the attempt, not the route."""
    params = {"model": PROXY, "api_key": "none", "api_base": provider.openai_base}
    router = litellm.Router([{"model_name": "good", "litellm_params": params}], num_retries=0)
    router.completion("good", user("hello"))
    route, attempt = tracing.calls()
    assert attempt.parent_id == route.span_id
    assert told(provider) == name_of(attempt)


@pytest.mark.parametrize("name", ["extra_headers", "headers"])
def test_users_headers_are_sent_and_stay_as_they_are(
    name: str, tracing: Traces, caller: Caller
) -> None:
    """The header is added to a copy of the user's headers."""
    headers = {"x-team": "blue"}
    caller.complete("hello", model=PROXY, **{name: headers})
    assert headers == {"x-team": "blue"}
    assert caller.provider.requests[-1].headers["x-team"] == "blue"
    assert told(caller.provider) == name_of(tracing.span())


@pytest.mark.parametrize("name", ["extra_headers", "headers"])
@pytest.mark.parametrize("spelling", ["traceparent", "Traceparent", "TRACEPARENT"])
def test_users_own_traceparent_stays(
    name: str, spelling: str, tracing: Traces, caller: Caller
) -> None:
    """The user's own header is the only one that is sent, in any spelling."""
    caller.complete("hello", model=PROXY, **{name: {spelling: GIVEN}})
    assert sent(caller.provider) == GIVEN


def test_nothing_is_told_while_tracing_is_disabled(tracing: Traces, caller: Caller) -> None:
    """Without a span, no header is sent."""
    mlflow.tracing.disable()
    try:
        caller.complete("hello", model=PROXY)
    finally:
        mlflow.tracing.enable()
    assert sent(caller.provider) is None


def test_nothing_is_told_where_tracing_is_off(traces: Traces, caller: Caller) -> None:
    """No header is sent, not even for a span of the user's."""
    with mlflow.start_span("agent"):
        caller.complete("hello", model=PROXY)
    assert sent(caller.provider) is None


def test_proxied_call_is_as_any_other(tracing: Traces, caller: Caller) -> None:
    """The header is not recorded."""
    caller.complete("hello", model=PROXY)
    assert tracing.span().inputs == {"model": PROXY, "messages": user("hello")}
    assert "traceparent" not in tracing.one().to_json()
