"""CrewAI: language models over LiteLLM, alone and in a crew, sync and async, streaming and not."""

from __future__ import annotations

import os

# Before the import of CrewAI, which reads them then.
os.environ["CREWAI_DISABLE_TELEMETRY"] = "true"
os.environ["CREWAI_DISABLE_TRACKING"] = "true"

from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from callers import MODEL
from crewai import LLM, Agent, Crew, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from provider import LoopbackProvider
    from traces import Traces

STREAMING = pytest.mark.parametrize("stream", [False, True])


def model(known: dict[str, Any], *, stream: bool = False) -> LLM:
    """Return a language model that calls LiteLLM."""
    return LLM(model=MODEL, is_litellm=True, stream=stream, **known)


def crew(known: dict[str, Any], *, stream: bool = False) -> Crew:
    """Return a crew of one agent, which needs one call for its response."""
    llm = model(known, stream=stream)
    agent = Agent(role="weatherman", goal="Tell the weather", backstory="Old", llm=llm)
    task = Task(description="Say Final Answer: warm", expected_output="One word", agent=agent)
    return Crew(agents=[agent], tasks=[task])


@STREAMING
def test_call_of_a_model_that_was_made_before_is_one_span(
    stream: bool, known: dict[str, Any], traces: Traces, answered: Callable
) -> None:
    """A call of an earlier made model is one span with the provider's tokens, also for streams."""
    llm = model(known, stream=stream)
    mlflow.litellm.autolog()
    assert llm.call("hello") == "You said: hello"
    assert traces.span().name == "litellm-completion"
    assert traces.one().info.token_usage == answered()


@STREAMING
def test_asynchronous_call_is_one_span(
    stream: bool, known: dict[str, Any], tracing: Traces, answered: Callable, run: Callable
) -> None:
    """An async call is one span too, of the async function."""
    assert run(lambda: model(known, stream=stream).acall("hello")) == "You said: hello"
    assert tracing.span().name == "litellm-acompletion"
    assert tracing.one().info.token_usage == answered()


@STREAMING
def test_crew_alone_leaves_a_trace_for_each_call(
    stream: bool, known: dict[str, Any], tracing: Traces, answered: Callable
) -> None:
    """A crew without a span around it makes one trace for each call, here one."""
    assert crew(known, stream=stream).kickoff().raw.startswith("warm")
    assert tracing.span().name == "litellm-completion"
    assert tracing.one().info.token_usage == answered()


def test_calls_are_below_mlflows_span_of_the_model(
    known: dict[str, Any], tracing: Traces, flavor: Callable, answered: Callable
) -> None:
    """The call is below MLflow's span and counted once, though MLflow wraps LiteLLM too."""
    flavor("crewai")
    assert crew(known).kickoff().raw.startswith("warm")
    trace = tracing.one()
    spans = {span.name: span for span in trace.data.spans}
    assert trace.data.spans[0].name == "Crew.kickoff"
    assert spans["litellm-completion"].parent_id == spans["openai/gpt-4o-mini"].span_id
    assert trace.info.token_usage == answered()


def test_asynchronous_calls_are_below_mlflows_span_of_the_model(
    known: dict[str, Any], tracing: Traces, flavor: Callable, answered: Callable, run: Callable
) -> None:
    """Async calls have a parent too, though MLflow makes no span for an async crew."""
    flavor("crewai")
    assert run(crew(known).akickoff).raw.startswith("warm")
    trace = tracing.one()
    [call] = [span for span in trace.data.spans if span.name.startswith("litellm-")]
    assert call.parent_id is not None
    assert trace.info.token_usage == answered()


@pytest.mark.parametrize("traced", [False, True])
def test_mlflows_tracing_of_crewai_repeats_streaming_calls(
    traced: bool,
    known: dict[str, Any],
    traces: Traces,
    flavor: Callable,
    provider: LoopbackProvider,
) -> None:
    """MLflow's tracing takes the stream for a response, so CrewAI repeats calls; each is traced."""
    flavor("crewai")
    mlflow.litellm.autolog(disable=not traced)
    before = len(provider.requests)
    assert crew(known, stream=True).kickoff().raw.startswith("warm")
    assert len(provider.requests) - before == 2
    assert len(traces.calls()) == (2 if traced else 0)
