"""The span of one call: the request, the response, tokens and cost, or the error."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pydantic
import pytest
from callers import ANTHROPIC, MODEL, SERVER_ERROR, AsyncCaller, SyncCaller, user
from mlflow.entities import SpanStatusCode
from traces import answer_text, exception_event

if TYPE_CHECKING:
    from callers import Caller
    from provider import LoopbackProvider
    from traces import Traces

WEATHER_TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}


def test_call_leaves_one_chat_span(tracing: Traces, caller: Caller) -> None:
    """The span has the documented name and type, is a root, and has the status OK."""
    response = caller.complete("hello")
    span = tracing.span()
    assert (span.name, span.span_type) == (caller.span_name, "LLM")
    assert (span.parent_id, span.status.status_code) == (None, SpanStatusCode.OK)
    assert answer_text(span) == response.choices[0].message.content == "You said: hello"


def test_span_ends_before_the_call_returns(tracing: Traces, caller: Caller) -> None:
    """``get_last_active_trace_id()`` is right directly after the call."""
    caller.complete("hello")
    assert mlflow.get_last_active_trace_id() == tracing.one().info.trace_id


def test_request_is_recorded_as_sent(tracing: Traces, caller: Caller) -> None:
    """Every parameter that shapes the response is recorded by name; others are absent."""
    parameters: dict[str, Any] = {
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 50,
        "n": 1,
        "seed": 7,
        "stop": ["END"],
        "user": "ada",
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "response_format": {"type": "text"},
        "tools": [WEATHER_TOOL],
        "tool_choice": "auto",
    }
    caller.complete("hello", **parameters)
    assert tracing.span().inputs == {"model": MODEL, "messages": user("hello"), **parameters}


def test_none_is_absent(tracing: Traces, caller: Caller) -> None:
    """An argument that is None is not recorded."""
    names = ("temperature", "tools", "n", "stream", "stream_options", "user", "metadata", "stop")
    caller.complete("hello", **dict.fromkeys(names))
    assert set(tracing.span().inputs) == {"model", "messages"}


@pytest.mark.parametrize("caller_type", [SyncCaller, AsyncCaller])
def test_positional_arguments_get_their_own_names(
    caller_type: type[Caller], tracing: Traces, provider: LoopbackProvider
) -> None:
    """The order differs between the two functions from the third argument on."""
    third = {"timeout": 5.0} if caller_type is SyncCaller else {"functions": None}
    rest = {"api_base": provider.openai_base, "api_key": "sk-very-secret"}
    if caller_type is AsyncCaller:
        args = (MODEL, user("hello"), *third.values(), "auto")
        AsyncCaller(provider).run(lambda: litellm.acompletion(*args, **rest))
    else:
        litellm.completion(MODEL, user("hello"), *third.values(), 0.5, **rest)
    expected = {"temperature": 0.5} if caller_type is SyncCaller else {"function_call": "auto"}
    assert tracing.span().inputs == {"model": MODEL, "messages": user("hello"), **expected}


def test_messages_are_recorded_as_they_were_at_the_call(tracing: Traces, caller: Caller) -> None:
    """Changes that the caller makes to the messages afterwards are not recorded."""
    messages = user("hello")
    caller.complete("", messages=messages)
    messages[0]["content"] = "changed"
    messages.append({"role": "user", "content": "more"})
    assert tracing.span().inputs["messages"] == user("hello")


def test_arguments_are_handed_on_untouched(tracing: Traces, caller: Caller) -> None:
    """The request to the provider has nothing added, and the caller's objects do not change."""
    messages, tools = user("hello"), [WEATHER_TOOL]
    caller.complete("", messages=messages, tools=tools, temperature=0.2)
    body = caller.provider.requests[-1].body
    assert body == {
        "model": "gpt-4o-mini",
        "messages": messages,
        "tools": tools,
        "temperature": 0.2,
    }
    assert "traceparent" not in caller.provider.requests[-1].headers
    assert (messages, tools) == (user("hello"), [WEATHER_TOOL])


def test_result_is_the_very_object_that_litellm_returned(tracing: Traces, caller: Caller) -> None:
    """The response is neither wrapped nor copied."""
    response = caller.complete("hello")
    assert type(response) is litellm.ModelResponse


def test_answer_is_recorded_as_a_chat_completion(tracing: Traces, caller: Caller) -> None:
    """The response's id, model, choices and usage are recorded in OpenAI's format."""
    response = caller.complete("hello")
    outputs = tracing.span().outputs
    assert outputs["object"] == "chat.completion"
    assert outputs["id"] == response.id
    assert outputs["choices"] == [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "You said: hello"},
        }
    ]
    assert outputs["usage"]["total_tokens"] == response.usage.total_tokens


def test_tokens_and_cost_are_litellms_own(tracing: Traces, caller: Caller) -> None:
    """The token counts have MLflow's keys, and the costs sum to LiteLLM's figure."""
    response = caller.complete("one two three")
    span = tracing.span()
    cost = span.attributes["mlflow.llm.cost"]
    assert span.attributes["mlflow.chat.tokenUsage"] == {
        "input_tokens": response.usage.prompt_tokens,
        "output_tokens": response.usage.completion_tokens,
        "total_tokens": response.usage.total_tokens,
    }
    assert cost["total_cost"] == response._hidden_params["response_cost"] > 0
    assert cost["input_cost"] + cost["output_cost"] == pytest.approx(cost["total_cost"])
    assert cost["input_cost"] > 0 < cost["output_cost"]
    assert span.attributes["response_cost"] == cost["total_cost"]


@pytest.mark.parametrize("model", [MODEL, ANTHROPIC])
def test_cached_tokens_are_counted_once_and_priced(
    model: str, tracing: Traces, caller: Caller
) -> None:
    """Cached tokens are among the input tokens, and the cost is LiteLLM's, not the full price."""
    response = caller.complete("/cached", model=model)
    span = tracing.span()
    usage = span.attributes["mlflow.chat.tokenUsage"]
    assert usage["cache_read_input_tokens"] == 80
    assert usage["input_tokens"] == response.usage.prompt_tokens
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    total = span.attributes["mlflow.llm.cost"]["total_cost"]
    assert total == pytest.approx(response._hidden_params["response_cost"])


@pytest.mark.parametrize(("model", "provider_name"), [(MODEL, "openai"), (ANTHROPIC, "anthropic")])
def test_model_provider_and_endpoint_are_recorded(
    model: str, provider_name: str, tracing: Traces, caller: Caller
) -> None:
    """The span has the requested model, the response's model, the provider and the endpoint."""
    response = caller.complete("hello", model=model)
    attributes = tracing.span().attributes
    assert attributes["model"] == model
    assert attributes["mlflow.llm.model"] == response.model
    assert attributes["mlflow.llm.provider"] == provider_name
    assert attributes["custom_llm_provider"] == provider_name
    assert attributes["api_base"].startswith("http://127.0.0.1:")
    assert attributes["litellm_call_id"] == response._hidden_params["litellm_call_id"]
    assert attributes["finish_reasons"] == ["stop"]
    assert attributes["mlflow.message.format"] == "openai"


def test_tool_calls_and_definitions_are_recorded(tracing: Traces, caller: Caller) -> None:
    """Tool definitions are in the attribute that MLflow's UI shows, calls in the response."""
    caller.complete("/tools 2", tools=[WEATHER_TOOL])
    span = tracing.span()
    calls = span.outputs["choices"][0]["message"]["tool_calls"]
    assert span.attributes["mlflow.chat.tools"] == [WEATHER_TOOL]
    assert [call["function"]["name"] for call in calls] == ["get_weather", "get_time"]
    assert [call["id"] for call in calls] == ["call_1", "call_2"]
    assert span.attributes["finish_reasons"] == ["tool_calls"]


def test_cache_hit_is_flagged_and_costs_nothing(
    tracing: Traces, caller: Caller, litellm_cache: None
) -> None:
    """LiteLLM repeats the first response's price on a hit, but the span's cost is 0."""
    for _ in range(2):
        caller.complete("hello again", caching=True)
    first, second = tracing.calls()
    assert [span.attributes["cache_hit"] for span in (first, second)] == [False, True]
    assert first.attributes["mlflow.llm.cost"]["total_cost"] > 0
    assert second.attributes["mlflow.llm.cost"]["total_cost"] == 0
    assert answer_text(second) == answer_text(first)


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (400, litellm.BadRequestError),
        (401, litellm.AuthenticationError),
        (429, litellm.RateLimitError),
        (500, SERVER_ERROR),
    ],
)
def test_failed_call_is_an_error_span_and_the_same_exception(
    status: int,
    error_type: type[Exception] | tuple[type[Exception], ...],
    tracing: Traces,
    caller: Caller,
) -> None:
    """The span has an exception event with type, message and stack trace, and the request."""
    with pytest.raises(error_type) as raised:
        caller.complete(f"/error {status} out of luck")
    span = tracing.span()
    event = exception_event(span)
    assert span.status.status_code == SpanStatusCode.ERROR
    assert event["exception.type"] == raised.type.__name__
    assert event["exception.message"] == str(raised.value)
    assert "Traceback" in event["exception.stacktrace"]
    assert span.inputs["messages"] == user(f"/error {status} out of luck")
    assert tracing.one().info.state == "ERROR"


def test_wrong_arguments_raise_litellms_own_error(tracing: Traces) -> None:
    """The call is traced as failed, and the message is LiteLLM's own."""
    with pytest.raises(Exception, match="model"):
        litellm.completion()
    assert tracing.span().status.status_code == SpanStatusCode.ERROR


def test_exception_is_the_same_object(tracing: Traces) -> None:
    """The caller catches the exception that LiteLLM raises."""
    boom = litellm.RateLimitError("slow down", llm_provider="openai", model=MODEL)
    with pytest.raises(litellm.RateLimitError) as raised:
        litellm.completion(model=MODEL, messages=user("hi"), mock_response=boom)
    assert raised.value is not None
    assert exception_event(tracing.span())["exception.message"] == str(raised.value)


def test_no_secret_is_recorded(tracing: Traces, caller: Caller) -> None:
    """Keys, headers and cookies from any argument are absent."""
    caller.complete(
        "hello",
        extra_headers={"Authorization": "Bearer very-secret"},
        metadata={"password": "very-secret"},
        aws_secret_access_key="very-secret",
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
    )
    assert "very-secret" not in tracing.one().to_json()


def test_prompt_is_recorded_once(tracing: Traces, caller: Caller) -> None:
    """Two attributes have the text: the inputs with the prompt, and the outputs."""
    caller.complete("/say | short" + " " * 50 + "needle")
    assert sum("needle" in str(v) for v in tracing.span().attributes.values()) == 2


def test_unusual_arguments_cost_neither_call_nor_trace(tracing: Traces, caller: Caller) -> None:
    """Lone surrogates, LiteLLM's message objects, pydantic classes and locks are recorded."""

    class Colour(pydantic.BaseModel):
        name: str

    response = caller.complete(
        "",
        messages=[litellm.Message(content="hello \ud800", role="user")],
        mock_response="fine",
        response_format=Colour,
        metadata={"lock": threading.Lock()},
    )
    assert response.choices[0].message.content == "fine"
    inputs = tracing.span().inputs
    assert inputs["messages"] == [{"role": "user", "content": "hello ?"}]
    assert inputs["response_format"] == Colour.model_json_schema()
    assert answer_text(tracing.span()) == "fine"
