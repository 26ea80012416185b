"""MLflow's evaluation of functions that call LiteLLM: one trace a row, and no change afterwards."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pandas as pd
import pytest
from callers import ANTHROPIC, MODEL, user
from litellm import google_genai
from mlflow.entities import TraceState
from mlflow.genai import scorers
from mlflow.genai.utils.trace_utils import extract_available_tools_from_trace
from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow.entities import Span, Trace
    from provider import LoopbackProvider
    from traces import Traces

ROWS = [{"inputs": {"question": question}} for question in ("one", "two", "three")]
FUNCTIONS = ("completion", "acompletion", "responses", "embedding")


@pytest.fixture(autouse=True)
def _environment(provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Direct LiteLLM to the provider for calls that name no address."""
    monkeypatch.setenv("OPENAI_API_BASE", provider.openai_base)
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", provider.openai_base)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("MLFLOW_GENAI_EVAL_MAX_WORKERS", "3")


def sync(question: str) -> str:
    """Return the response of a sync call."""
    return litellm.completion(model=MODEL, messages=user(question)).choices[0].message.content


async def asynchronous(question: str) -> str:
    """Return the response of an async call."""
    answer = await litellm.acompletion(model=MODEL, messages=user(question))
    return answer.choices[0].message.content


def streaming(question: str) -> str:
    """Return the text of a stream."""
    counted = {"stream_options": {"include_usage": True}}
    stream = litellm.completion(model=MODEL, messages=user(question), stream=True, **counted)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


async def streaming_async(question: str) -> str:
    """Return the text of an async stream."""
    counted = {"stream_options": {"include_usage": True}}
    stream = await litellm.acompletion(model=MODEL, messages=user(question), stream=True, **counted)
    said = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
    return "".join(text or "" for text in said)


def in_a_thread(question: str) -> str:
    """Return the response of a call in a new thread that has the context of this one."""
    import contextvars

    said: list[str] = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: said.append(context.run(sync, question)))
    thread.start()
    thread.join()
    return said[0]


@mlflow.trace
def agent(question: str) -> str:
    """Return the response of a call, below a span of the function."""
    return sync(question)


PREDICTORS = [sync, asynchronous, streaming, streaming_async, in_a_thread, agent]


def of_litellm(trace: Trace) -> list[Span]:
    """Return LiteLLM's spans; while MLflow evaluates, OpenAI's SDK has spans below them."""
    return [span for span in trace.data.spans if span.name.startswith("litellm-")]


@scorers.scorer
def calls(trace: Trace) -> int:
    """Count LiteLLM's calls."""
    return len(of_litellm(trace))


@scorers.scorer
def tokens(trace: Trace) -> int:
    """Return the number of tokens of a row."""
    return trace.info.token_usage["total_tokens"]


@scorers.scorer
def heard(inputs: dict[str, Any], outputs: str, trace: Trace) -> bool:
    """Return whether the span has the row's question and the row's response."""
    [call] = of_litellm(trace)
    asked = call.inputs["messages"][-1]["content"]
    told = call.outputs["choices"][0]["message"]["content"]
    return asked == inputs["question"] and told == outputs


@scorers.scorer
def answered(outputs: str) -> bool:
    """Return whether there was a response."""
    return bool(outputs)


def evaluate(predict: Callable[..., Any], *by: Any, rows: Any = ROWS) -> Any:
    """Evaluate a function with scorers."""
    return mlflow.genai.evaluate(data=rows, predict_fn=predict, scorers=list(by))


@pytest.mark.parametrize("predict", PREDICTORS, ids=lambda predict: predict.__name__)
def test_row_has_one_trace_with_its_call(predict: Any, tracing: Traces) -> None:
    """
    Each row has one trace, and scorers can read it.

    MLflow adds a span only around functions that make none.
    """
    result = evaluate(predict, calls, tokens, heard)
    traces = tracing.all()
    assert len(traces) == len(ROWS)
    for trace in traces:
        [call] = of_litellm(trace)
        root = trace.data.spans[0]
        assert root.name == ("agent" if predict is agent else call.name)
        assert call.parent_id == (root.span_id if predict is agent else None)
        scores = {each.name: each.feedback.value for each in trace.info.assessments}
        assert (scores["calls"], scores["heard"]) == (1, True)
        assert scores["tokens"] > 0
    assert result.metrics["heard/mean"] == 1


def test_failing_row_has_its_trace(tracing: Traces) -> None:
    """The row's trace has the call's error, and the other rows are evaluated."""
    rows = [*ROWS[:1], {"inputs": {"question": "/error 400"}}]
    evaluate(sync, calls, rows=rows)
    states = {trace.info.request_preview: trace.info.state for trace in tracing.all()}
    assert sorted(states.values()) == [TraceState.ERROR, TraceState.OK]
    [failed] = [call for call in tracing.calls() if call.events]
    assert failed.inputs["messages"][0]["content"] == "/error 400"


def test_judge_leaves_no_trace_beside_the_rows(
    tracing: Traces, provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow calls the judge through LiteLLM too, and traces its scorers here."""
    monkeypatch.setenv("MLFLOW_GENAI_EVAL_ENABLE_SCORER_TRACING", "true")
    before = len(provider.requests)
    evaluate(sync, scorers.RelevanceToQuery(model="hosted_vllm:/judge"))
    asked = [request.body["model"] for request in provider.requests[before:]]
    assert asked.count("judge") == len(ROWS)
    assert {call.inputs["model"] for call in tracing.calls()} == {MODEL}
    assert len(tracing.calls()) == len(ROWS)


def test_older_evaluation_traces_its_calls(tracing: Traces) -> None:
    """``mlflow.models.evaluate`` passes a table to the function, and restores all state."""
    before = state()
    data = pd.DataFrame({"question": ["one", "two"]})
    length = mlflow.metrics.make_metric(
        eval_fn=lambda predictions: float(len(predictions)), greater_is_better=True, name="rows"
    )
    with mlflow.start_run():
        result = mlflow.models.evaluate(
            lambda table: [sync(question) for question in table["question"]],
            data,
            extra_metrics=[length],
        )
    assert result.metrics["rows"] == 2
    assert [call.inputs["messages"] for call in tracing.calls()] == [user("one"), user("two")]
    assert state() == before


WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def by_chat(_: str) -> None:
    """Pass a tool to a chat."""
    tools = [{"type": "function", "function": WEATHER}]
    litellm.completion(model=MODEL, messages=user("/tools 1"), tools=tools)


def by_chat_stream(_: str) -> None:
    """Pass a tool to a streamed chat."""
    tools = [{"type": "function", "function": WEATHER}]
    list(litellm.completion(model=MODEL, messages=user("/tools 1"), tools=tools, stream=True))


def by_responses(_: str) -> None:
    """Pass a tool to OpenAI's Responses API."""
    tools = [{"type": "function", **WEATHER}]
    litellm.responses(model=MODEL, input="/tools 1", tools=tools)


def by_messages(base: str) -> None:
    """Pass a tool to Anthropic's Messages API."""
    schema = {"input_schema": WEATHER["parameters"]}
    tool = {**{key: WEATHER[key] for key in ("name", "description")}, **schema}
    known = {"model": ANTHROPIC, "max_tokens": 50, "api_base": base, "api_key": "x"}
    asyncio.run(litellm.anthropic_messages(messages=user("/tools 1"), tools=[tool], **known))


def by_generate_content(base: str) -> None:
    """Pass a tool to Google's own function."""
    known = {"model": "gemini/gemini-2.5-flash", "api_base": f"{base}/v1beta", "api_key": "x"}
    contents = [{"role": "user", "parts": [{"text": "/tools 1"}]}]
    tools = [{"functionDeclarations": [WEATHER]}]
    google_genai.generate_content(contents=contents, tools=tools, **known)


@pytest.mark.parametrize(
    "offer", [by_chat, by_chat_stream, by_responses, by_messages, by_generate_content]
)
def test_tools_that_were_offered_are_found(
    offer: Callable[[str], None], tracing: Traces, provider: LoopbackProvider
) -> None:
    """MLflow's judges of tool calls find the tools in the spans of models without any request."""
    offer(provider.anthropic_base)
    before = len(provider.requests)
    [tool] = extract_available_tools_from_trace(tracing.one())
    assert tool.function.name == WEATHER["name"]
    assert tool.function.description == WEATHER["description"]
    assert "city" in tool.function.parameters.properties
    assert len(provider.requests) == before


def state() -> tuple[dict[str, Any], list[Any]]:
    """Return the flavor's configuration, and the functions under LiteLLM's names."""
    config = dict(AUTOLOGGING_INTEGRATIONS.get("litellm") or {})
    return config, [vars(litellm)[name] for name in FUNCTIONS]


@pytest.mark.parametrize(
    "config",
    [{}, {"log_content": False}, {"silent": True}, {"log_traces": False}, {"disable": True}],
    ids=str,
)
def test_configuration_is_as_before(config: dict[str, Any], traces: Traces) -> None:
    """An evaluation restores every configuration of autolog()."""
    mlflow.litellm.autolog(**config)
    before = state()
    evaluate(sync, heard if not config else answered)
    assert state() == before
    mlflow.litellm.autolog(disable=True)


def test_without_content_rows_have_none(traces: Traces) -> None:
    """With content off, spans have no content during an evaluation and after it."""
    mlflow.litellm.autolog(log_content=False)
    evaluate(sync, calls)
    sync("later")
    assert len(traces.calls()) == len(ROWS) + 1
    assert not [call for call in traces.calls() if call.outputs or "messages" in call.inputs]


def test_what_was_off_stays_off(traces: Traces) -> None:
    """Rows have no span of LiteLLM's, whose functions are the originals during and after."""
    before = state()
    seen: list[bool] = []

    def predict(question: str) -> str:
        seen.append(state()[1] == before[1])
        return sync(question)

    evaluate(predict, calls)
    assert all(seen)
    assert state() == before
    assert len(traces.all()) == len(ROWS)
    assert traces.calls() == []
    assert all(calls(trace=trace) == 0 for trace in traces.all())


def test_switched_on_after_an_evaluation_traces(traces: Traces) -> None:
    """After tracing is switched off again, an evaluation makes no spans of LiteLLM's."""
    evaluate(sync, calls)
    mlflow.litellm.autolog()
    evaluate(sync, heard)
    assert len(traces.calls()) == len(ROWS)
    mlflow.litellm.autolog(disable=True)
    evaluate(sync, calls)
    assert len(traces.calls()) == len(ROWS)


def test_traces_are_found(tracing: Traces) -> None:
    """MLflow's search finds a trace by its tag, session, model, status, span name and span type."""
    tracing_of = {"tags": ["jobID:42"], "session_id": "chat-7"}
    litellm.completion(model=MODEL, messages=user("tagged"), metadata=tracing_of)
    litellm.completion(model="openai/deepseek-chat", messages=user("other model"))
    with pytest.raises(litellm.BadRequestError):
        litellm.completion(model=MODEL, messages=user("/error 400"), max_retries=0)

    def found(filter_string: str) -> list[str]:
        return [
            trace.data.spans[0].inputs["messages"][0]["content"]
            for trace in mlflow.search_traces(
                locations=[tracing.experiment_id], filter_string=filter_string, return_type="list"
            )
        ]

    assert found("tags.jobID = '42'") == ["tagged"]
    assert found("metadata.`mlflow.trace.session` = 'chat-7'") == ["tagged"]
    assert found("span.attributes.model LIKE '%deepseek-chat%'") == ["other model"]
    assert found("trace.status = 'ERROR'") == ["/error 400"]
    assert len(found("span.name = 'litellm-completion'")) == 3
    assert len(found("span.type = 'LLM'")) == 3
