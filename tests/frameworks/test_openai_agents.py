"""OpenAI Agents: its LiteLLM model, run synchronously, asynchronously and streaming."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

import agents
import mlflow
import pytest
from agents.extensions.models.litellm_model import LitellmModel
from callers import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from traces import Traces


# Since 1.109, LiteLLM bypasses the methods of OpenAI's client that MLflow traces.
VERSION = tuple(map(int, metadata.version("litellm").split(".")[:2]))
IS_PAST_THE_SDK = VERSION >= (1, 109)


@agents.function_tool
def get_weather(location: str) -> str:
    """Return the weather."""
    return f"Warm in {location}"


@pytest.fixture
def agent(known: dict[str, Any]) -> agents.Agent:
    """Make an agent with two calls, the tool's and the last one, before tracing is on."""
    return agents.Agent(
        "weatherman",
        model=LitellmModel(MODEL, base_url=known["api_base"], api_key=known["api_key"]),
        model_settings=agents.ModelSettings(tool_choice="required", include_usage=True),
        tools=[get_weather],
    )


@pytest.fixture(params=["sync", "async", "stream"])
def ask(request: pytest.FixtureRequest, agent: agents.Agent, run: Callable) -> Callable[[], str]:
    """Provide each way of running the agent."""

    async def read() -> str:
        result = agents.Runner.run_streamed(agent, "hello")
        async for _ in result.stream_events():
            pass
        return result.final_output

    return {
        "sync": lambda: agents.Runner.run_sync(agent, "hello").final_output,
        "async": lambda: run(lambda: agents.Runner.run(agent, "hello")).final_output,
        "stream": lambda: run(read),
    }[request.param]


def test_agent_alone_leaves_a_trace_for_each_call(
    ask: Callable, tracing: Traces, answered: Callable
) -> None:
    """Without a parent span, each call is a trace."""
    assert ask() == "You said: hello"
    assert [span.name for span in tracing.calls()] == ["litellm-acompletion"] * 2
    counts = [trace.info.token_usage["total_tokens"] for trace in tracing.all()]
    assert (len(counts), sum(counts)) == (2, answered()["total_tokens"])


def test_calls_are_below_mlflows_spans_of_the_generations(
    ask: Callable, tracing: Traces, flavor: Callable, answered: Callable
) -> None:
    """The calls are below MLflow's spans and counted once, despite spans of agent and SDK."""
    flavor("openai")
    assert ask() == "You said: hello"
    trace = tracing.one()
    names = {span.span_id: span.name for span in trace.data.spans}
    calls = tracing.calls()
    assert [names[call.parent_id] for call in calls] == ["Generation"] * 2
    inner = [s for s in trace.data.spans if s.parent_id in {call.span_id for call in calls}]
    assert len(inner) == (0 if IS_PAST_THE_SDK else 2)
    assert answered().items() <= trace.info.token_usage.items()


def test_calls_are_below_the_span_that_is_active(
    ask: Callable, tracing: Traces, answered: Callable
) -> None:
    """Without MLflow's tracing, the calls of an agent are one trace below an active span."""
    with mlflow.start_span("parent"):
        ask()
    trace = tracing.one()
    assert [call.parent_id for call in tracing.calls()] == [trace.data.spans[0].span_id] * 2
    assert trace.info.token_usage == answered()
