"""Google ADK: its LiteLLM model; the framework makes OpenTelemetry spans itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from callers import MODEL
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai.types import Content, Part
from scripts import succeed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from traces import Traces

HELLO = Content(role="user", parts=[Part(text="hello")])
STREAMING = pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE])


def get_weather(location: str) -> str:
    """Return the weather."""
    return f"Warm in {location}"


@pytest.fixture
def runner(known: dict[str, Any]) -> InMemoryRunner:
    """Make a runner of an agent with a tool call and a response, before tracing is on."""
    model = LiteLlm(MODEL, tool_choice="required", **known)
    agent = LlmAgent(name="weatherman", model=model, tools=[get_weather])
    return InMemoryRunner(agent=agent, app_name="app")


async def ask(runner: InMemoryRunner, mode: StreamingMode) -> str:
    """Send a message to the agent, and return its last words."""
    session = await runner.session_service.create_session(app_name="app", user_id="ada")
    config = RunConfig(streaming_mode=mode)
    events = runner.run_async(
        user_id="ada", session_id=session.id, new_message=HELLO, run_config=config
    )
    return [event async for event in events][-1].content.parts[0].text


@STREAMING
def test_agent_alone_leaves_a_trace_for_each_call(
    mode: StreamingMode,
    runner: InMemoryRunner,
    tracing: Traces,
    answered: Callable,
    run: Callable,
) -> None:
    """Each call is a trace, as MLflow does not share its tracer provider by default."""
    assert run(lambda: ask(runner, mode)) == "You said: hello"
    assert [span.name for span in tracing.calls()] == ["litellm-acompletion"] * 2
    counts = [trace.info.token_usage["total_tokens"] for trace in tracing.all()]
    assert (len(counts), sum(counts)) == (2, answered()["total_tokens"])


def test_calls_are_below_the_span_that_is_active(
    runner: InMemoryRunner, tracing: Traces, answered: Callable, run: Callable
) -> None:
    """The calls of an agent are one trace if a span is active around it."""

    async def main() -> str:
        with mlflow.start_span("parent"):
            return await ask(runner, StreamingMode.NONE)

    assert run(main) == "You said: hello"
    trace = tracing.one()
    assert [call.parent_id for call in tracing.calls()] == [trace.data.spans[0].span_id] * 2
    assert trace.info.token_usage == answered()


def test_synchronous_runner_is_traced(
    runner: InMemoryRunner, tracing: Traces, answered: Callable
) -> None:
    """The synchronous runner is traced, though it runs the agent in its own thread."""
    session = runner.session_service.create_session_sync(app_name="app", user_id="ada")
    with mlflow.start_span("parent"):
        list(runner.run(user_id="ada", session_id=session.id, new_message=HELLO))
    assert [call.name for call in tracing.calls()] == ["litellm-acompletion"] * 2
    total = sum(trace.info.token_usage["total_tokens"] for trace in tracing.all())
    assert total == answered()["total_tokens"]


ONE_TRACE = """
    import asyncio, json, sys, mlflow
    from google.adk.agents import LlmAgent
    from google.adk.agents.run_config import RunConfig, StreamingMode
    from google.adk.models.lite_llm import LiteLlm
    from google.adk.runners import InMemoryRunner
    from google.genai.types import Content, Part

    mlflow.set_experiment("adk")
    mlflow.litellm.autolog()
    mlflow.tracing.enable()

    def get_weather(location: str) -> str:
        "Tell the weather."
        return "warm"

    async def main():
        model = LiteLlm("openai/gpt-4o-mini", tool_choice="required", api_key="x", api_base=BASE)
        agent = LlmAgent(name="weatherman", model=model, tools=[get_weather])
        runner = InMemoryRunner(agent=agent, app_name="app")
        session = await runner.session_service.create_session(app_name="app", user_id="ada")
        async for _ in runner.run_async(
            user_id="ada",
            session_id=session.id,
            new_message=Content(role="user", parts=[Part(text="hello")]),
            run_config=RunConfig(streaming_mode=StreamingMode[MODE]),
        ):
            pass

    asyncio.run(main())
    mlflow.flush_trace_async_logging()
    [trace] = mlflow.search_traces(return_type="list")
    names = {span.span_id: span.name for span in trace.data.spans}
    told = [(span.name, names.get(span.parent_id)) for span in trace.data.spans]
    print(json.dumps([told, trace.info.token_usage]))
"""


@STREAMING
def test_calls_are_below_the_spans_of_the_agent(
    mode: StreamingMode, known: dict[str, Any], tmp_path: Path, answered: Callable
) -> None:
    """With a shared tracer provider, the agent's spans are parents; tokens are counted once."""
    code = ONE_TRACE.replace("BASE", repr(known["api_base"])).replace("MODE", repr(mode.name))
    shared = {"MLFLOW_USE_DEFAULT_TRACER_PROVIDER": "false"}
    uri = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    spans, usage = json.loads(succeed(code, tmp_path, **shared, **uri).splitlines()[-1])
    model = "generate_content openai/gpt-4o-mini"
    assert spans.count(["litellm-acompletion", model]) == 2
    assert answered().items() <= usage.items()
