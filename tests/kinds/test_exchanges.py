"""Each provider's own format: the span of a stream records the same as that of a whole response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from exchanges import COUNTED, EXCHANGES, FUNCTION, OPENROUTER, REASONING, TEXT, Exchange

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span
    from traces import Traces

# LiteLLM's own values in a stream: its clock, the ids that it creates, its estimate of the cost.
ALWAYS = ("id", "created", "model", "usage.cost")

each = pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.provider)
signed = pytest.mark.parametrize(
    "exchange", [e for e in EXCHANGES if e.signature], ids=lambda exchange: exchange.provider
)
listed = pytest.mark.parametrize(
    "exchange",
    [e for e in EXCHANGES if e.price == "listed"],
    ids=lambda exchange: exchange.provider,
)


def both(exchange: Exchange, tracing: Traces, caller: Caller) -> list[Span]:
    """Return the spans of the whole response and of the streamed one."""
    exchange.complete(caller)
    exchange.stream(caller, **COUNTED)
    return tracing.calls()


def message(span: Span) -> dict[str, Any]:
    """Return the only choice's message."""
    [choice] = span.outputs["choices"]
    return choice["message"]


def without(outputs: dict[str, Any], paths: tuple[str, ...]) -> Any:
    """Return a copy of a span's outputs without empty values and the values at some paths."""
    copy = json.loads(json.dumps(outputs))
    for path in paths:
        *steps, last = path.split(".")
        place = copy
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place.get(step, {})
        place.pop(last, None)
    return filled(copy)


def filled(value: Any) -> Any:
    """Return JSON data without empty fields, which LiteLLM sends only streamed or only whole."""
    if isinstance(value, list):
        return [filled(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: filled(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item not in (None, [], {})}


@each
def test_answer_is_recorded(exchange: Exchange, tracing: Traces, caller: Caller) -> None:
    """The text, the reasoning, the tool call and the finish reason are recorded for both."""
    for span in both(exchange, tracing, caller):
        said = message(span)
        [call] = said["tool_calls"]
        assert said["role"] == "assistant"
        assert said["content"] == TEXT
        assert said.get("reasoning_content") == (REASONING if exchange.reasons else None)
        assert (call["id"], call["type"]) == (exchange.tool_call_id, "function")
        assert call["function"] == FUNCTION
        assert span.attributes["finish_reasons"] == ["tool_calls"]


@each
def test_stream_says_what_the_whole_answer_says(
    exchange: Exchange, tracing: Traces, caller: Caller
) -> None:
    """All fields agree, except those that LiteLLM itself omits, adds or moves."""
    unstreamed, streamed = both(exchange, tracing, caller)
    paths = (*ALWAYS, *exchange.differs)
    assert without(streamed.outputs, paths) == without(unstreamed.outputs, paths)


@each
def test_model_provider_and_endpoint_are_recorded(
    exchange: Exchange, tracing: Traces, caller: Caller
) -> None:
    """The provider's name is the one in the request."""
    for span in both(exchange, tracing, caller):
        assert span.attributes["mlflow.llm.model"] == exchange.answered
        assert span.attributes["model"] == exchange.model
        assert span.attributes["mlflow.llm.provider"] == exchange.provider
        assert span.attributes["custom_llm_provider"] == exchange.provider
        assert span.attributes["api_base"] == exchange.api_base(caller)


@each
def test_tokens_are_recorded(exchange: Exchange, tracing: Traces, caller: Caller) -> None:
    """Cached tokens are among the prompt's, and the details are in the outputs."""
    for span in both(exchange, tracing, caller):
        assert span.attributes["mlflow.chat.tokenUsage"] == exchange.tokens
        for name, details in exchange.details.items():
            assert details.items() <= span.outputs["usage"][name].items()


@each
def test_tokens_that_nobody_asked_for_are_recorded(
    exchange: Exchange, tracing: Traces, caller: Caller
) -> None:
    """LiteLLM hides them from the reader. OpenAI's format has counts only on request."""
    exchange.stream(caller)
    attributes = tracing.span().attributes
    recorded = attributes.get("mlflow.chat.tokenUsage")
    if exchange.counts:
        assert recorded == exchange.tokens
    # Since 1.110 LiteLLM reports its estimate.
    assert attributes.get("usage_is_estimate", False) == (bool(recorded) and not exchange.counts)


@listed
def test_cost_is_recorded(exchange: Exchange, tracing: Traces, caller: Caller) -> None:
    """The costs of input and output are the same for both, and near LiteLLM's own figure."""
    unstreamed, streamed = both(exchange, tracing, caller)
    cost = unstreamed.attributes["mlflow.llm.cost"]
    assert 0 < cost["output_cost"] < cost["total_cost"]
    assert streamed.attributes["mlflow.llm.cost"] == pytest.approx(cost)
    for span in (unstreamed, streamed):
        assert span.attributes["response_cost"] == pytest.approx(cost["total_cost"])


def test_cost_that_the_provider_tells_is_recorded(tracing: Traces, caller: Caller) -> None:
    """OpenRouter's response has the cost, which no price list has."""
    for span in both(OPENROUTER, tracing, caller):
        assert span.attributes["response_cost"] == 0.00041
        assert span.attributes["mlflow.llm.cost"]["total_cost"] == 0.00041


@signed
def test_thinking_keeps_its_signature(exchange: Exchange, tracing: Traces, caller: Caller) -> None:
    """A block without its signature cannot be sent back."""
    thought = {"type": "thinking", "thinking": REASONING, "signature": exchange.signature}
    for span in both(exchange, tracing, caller):
        assert message(span)["thinking_blocks"] == [thought]


def test_details_of_reasoning_are_joined(tracing: Traces, caller: Caller) -> None:
    """OpenRouter's details have to be sent back; LiteLLM moves them in a stream."""
    unstreamed, streamed = map(message, both(OPENROUTER, tracing, caller))
    [detail] = unstreamed["provider_specific_fields"]["reasoning_details"]
    assert detail["text"] == REASONING
    assert streamed["reasoning_details"] == [detail]


@each
def test_no_secret_is_recorded(exchange: Exchange, tracing: Traces, caller: Caller) -> None:
    """The request's secrets and the provider's cookie are absent."""
    both(exchange, tracing, caller)
    for received in caller.provider.requests[-2:]:
        assert "very-secret" in str(received.headers)
    for trace in tracing.all():
        assert "very-secret" not in trace.to_json()
