"""smolagents: models and agents over LiteLLM, streaming or not, always synchronous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from callers import MODEL, user
from documents import blocks
from smolagents import ChatMessage, LiteLLMModel, LiteLLMRouterModel, ToolCallingAgent, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from traces import Traces

MESSAGES = [ChatMessage.from_dict(message) for message in user("hello")]


@tool
def get_weather(location: str) -> str:
    """
    Return the weather.

    Args:
        location: The place.
    """
    return f"Warm in {location}"


@pytest.fixture
def model(known: dict[str, Any]) -> LiteLLMModel:
    """Make a model before tracing is on: tests request this fixture first."""
    return LiteLLMModel(MODEL, **known)


def run_agent(model: LiteLLMModel, *, stream: bool) -> Any:
    """Run an agent with a tool, which takes two calls."""
    agent = ToolCallingAgent([get_weather], model, verbosity_level=0, stream_outputs=stream)
    return agent.run("What is the weather?")


def test_call_of_a_model_is_one_span(
    model: LiteLLMModel, tracing: Traces, answered: Callable
) -> None:
    """A call of a model is one span with the provider's tokens."""
    assert model.generate(MESSAGES).content == "You said: hello"
    assert tracing.span().name == "litellm-completion"
    assert tracing.one().info.token_usage == answered()


def test_stream_of_a_model_is_one_span(
    model: LiteLLMModel, tracing: Traces, answered: Callable
) -> None:
    """A stream is one span with tokens, which smolagents requests."""
    deltas = list(model.generate_stream(MESSAGES))
    assert "".join(delta.content or "" for delta in deltas) == "You said: hello"
    assert tracing.span().attributes["stream_end"] == "finished"
    assert tracing.one().info.token_usage == answered()


@pytest.mark.parametrize("stream", [False, True])
def test_agent_alone_leaves_a_trace_for_each_call(
    stream: bool, model: LiteLLMModel, tracing: Traces
) -> None:
    """Without a parent span, each call of an agent is a trace."""
    assert run_agent(model, stream=stream) == "yes"
    assert [len(trace.data.spans) for trace in tracing.all()] == [1, 1]


@pytest.mark.parametrize("stream", [False, True])
def test_calls_are_below_mlflows_span_of_the_agent(
    stream: bool, model: LiteLLMModel, tracing: Traces, flavor: Callable, answered: Callable
) -> None:
    """The calls are below MLflow's span of the agent, and counted once."""
    flavor("smolagents")
    assert run_agent(model, stream=stream) == "yes"
    trace = tracing.one()
    assert trace.data.spans[0].name == "ToolCallingAgent.run"
    root = trace.data.spans[0].span_id
    assert [call.parent_id for call in tracing.calls()] == [root, root]
    assert trace.info.token_usage == answered()


def test_call_is_counted_once_below_mlflows_span_of_the_model(
    model: LiteLLMModel, tracing: Traces, flavor: Callable, answered: Callable
) -> None:
    """A call is counted once, though MLflow's span of the model has the same tokens."""
    flavor("smolagents")
    model(MESSAGES)
    trace = tracing.one()
    outer, call = trace.data.spans
    assert (outer.name, call.parent_id) == ("LiteLLMModel.__call__", outer.span_id)
    assert trace.info.token_usage == answered()


def test_router_that_was_built_before_is_traced(
    known: dict[str, Any], traces: Traces, answered: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call of a Router that was made before is a trace, counted once."""
    # smolagents passes no key to LiteLLM's Router, even if the deployment has one.
    monkeypatch.setenv("OPENAI_API_KEY", known["api_key"])
    monkeypatch.setenv("OPENAI_BASE_URL", known["api_base"])
    deployment = {"model_name": "m", "litellm_params": {"model": MODEL}}
    model = LiteLLMRouterModel("m", [deployment])
    mlflow.litellm.autolog()
    model.generate(MESSAGES)
    assert "litellm-completion" in [call.name for call in traces.calls()]
    assert traces.one().info.token_usage == answered()


def test_program_of_the_page_traces_both(
    model: LiteLLMModel, traces: Traces, flavor: Callable
) -> None:
    """The page's program makes the call's span below the framework's span."""
    flavor("smolagents")
    exec(blocks("docs/frameworks.md", "python")[0])
    model(MESSAGES)
    assert [span.name for span in traces.one().data.spans] == [
        "LiteLLMModel.__call__", "litellm-completion"
    ]  # fmt: skip
