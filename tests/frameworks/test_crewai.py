"""CrewAI: language models over LiteLLM, alone and in a crew, synchronous and not, streaming."""

from __future__ import annotations

import os

# Before CrewAI is imported, which reads them then.
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
    """Return a language model that is called through LiteLLM."""
    return LLM(model=MODEL, is_litellm=True, stream=stream, **known)


def crew(known: dict[str, Any], *, stream: bool = False) -> Crew:
    """Return a crew of one, that has its answer in one call."""
    llm = model(known, stream=stream)
    agent = Agent(role="weatherman", goal="Tell the weather", backstory="Old", llm=llm)
    task = Task(description="Say Final Answer: warm", expected_output="One word", agent=agent)
    return Crew(agents=[agent], tasks=[task])


@STREAMING
def test_call_of_a_model_that_was_made_before_is_one_span(
    stream: bool, known: dict[str, Any], traces: Traces, answered: Callable
) -> None:
    """With the tokens that the provider counted, which CrewAI asks for of streams as well."""
    llm = model(known, stream=stream)
    mlflow.litellm.autolog()
    assert llm.call("hello") == "You said: hello"
    assert traces.span().name == "litellm-completion"
    assert traces.one().info.token_usage == answered()


@STREAMING
def test_asynchronous_call_is_one_span(
    stream: bool, known: dict[str, Any], tracing: Traces, answered: Callable, run: Callable
) -> None:
    """The same, of the other function."""
    assert run(lambda: model(known, stream=stream).acall("hello")) == "You said: hello"
    assert tracing.span().name == "litellm-acompletion"
    assert tracing.one().info.token_usage == answered()


@STREAMING
def test_crew_alone_leaves_a_trace_for_each_call(
    stream: bool, known: dict[str, Any], tracing: Traces, answered: Callable
) -> None:
    """Here there is one."""
    assert crew(known, stream=stream).kickoff().raw.startswith("warm")
    assert tracing.span().name == "litellm-completion"
    assert tracing.one().info.token_usage == answered()


def test_calls_are_below_mlflows_span_of_the_model(
    known: dict[str, Any], tracing: Traces, flavor: Callable, answered: Callable
) -> None:
    """And counted once, though MLflow puts a wrapper of its own on LiteLLM meanwhile."""
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
    """A crew's own span is none of those that MLflow makes then."""
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
    """It takes the stream for an answer; each call that is made is traced."""
    flavor("crewai")
    mlflow.litellm.autolog(disable=not traced)
    before = len(provider.requests)
    assert crew(known, stream=True).kickoff().raw.startswith("warm")
    assert len(provider.requests) - before == 2
    assert len(traces.calls()) == (2 if traced else 0)
