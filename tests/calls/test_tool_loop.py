"""Tool loops: an agent's span, with a child for each call and for each span of its tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import user
from kinds import SECRET, call, is_async, openai
from mlflow.entities import SpanStatusCode
from traces import exception_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from callers import Caller
    from mlflow.entities import Span
    from traces import Traces

pytestmark = pytest.mark.skipif(
    not hasattr(litellm, "run_tool_loop"), reason="LiteLLM runs no tools"
)

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}


def run(caller: Caller, tool: Callable[[], str], text: str = "hello", **kwargs: Any) -> Any:
    """Run a loop whose first call requests a tool, and whose second returns the text."""

    def execute(asked: Any) -> dict[str, Any]:
        return {"role": "tool", "tool_call_id": asked.id, "content": tool()}

    async def aexecute(asked: Any) -> dict[str, Any]:
        return execute(asked)

    known = openai(caller, messages=user(text), tools=[TOOL], tool_choice="required", max_retries=0)
    executor = aexecute if is_async(caller) else execute
    return call(caller, "run_tool_loop", execute_tool=executor, **{**known, **kwargs})


def loop_and_calls(traces: Traces) -> tuple[Span, list[Span]]:
    """Return the loop's span, which is the root of the only trace, and the spans of its calls."""
    loop, *calls = traces.calls()
    assert loop.parent_id is None
    assert {each.parent_id for each in calls} == {loop.span_id}
    return loop, calls


def test_loop_is_an_agent_of_calls(tracing: Traces, caller: Caller) -> None:
    """The span is an agent's, with the arguments and the final text."""
    answer = run(caller, lambda: "sunny", max_rounds=3)
    loop, [asked, answered] = loop_and_calls(tracing)
    prefix = "a" if is_async(caller) else ""
    assert (loop.name, loop.span_type) == (f"litellm-{prefix}run_tool_loop", "AGENT")
    assert {asked.name, answered.name} == {f"litellm-{prefix}completion"}
    assert loop.inputs == {
        "model": "openai/gpt-4o-mini",
        "messages": user("hello"),
        "tools": [TOOL],
        "tool_choice": "required",
        "max_rounds": 3,
    }
    assert loop.outputs == answer == "You said: hello"
    assert asked.attributes["finish_reasons"] == ["tool_calls"]
    assert [message["role"] for message in answered.inputs["messages"]] == [
        "user",
        "assistant",
        "tool",
    ]
    assert SECRET not in tracing.one().to_json()


def test_tokens_are_counted_once(tracing: Traces, caller: Caller) -> None:
    """Only the calls have token counts."""
    run(caller, lambda: "sunny")
    loop, calls = loop_and_calls(tracing)
    assert loop.attributes["inner_calls"] == len(calls) == 2
    assert "mlflow.chat.tokenUsage" not in loop.attributes
    used = sum(each.attributes["mlflow.chat.tokenUsage"]["total_tokens"] for each in calls)
    assert tracing.one().info.token_usage["total_tokens"] == used


def test_what_a_tool_does_is_below_the_loop(tracing: Traces, caller: Caller) -> None:
    """Spans and calls of the user's tool are children of the loop."""

    @mlflow.trace(name="get_weather", span_type="TOOL")
    def tool() -> str:
        known = openai(caller, messages=user("in Paris?"), max_retries=0)
        return str(litellm.completion(**known).choices[0].message.content)

    run(caller, tool)
    loop, first, weather, inner, last = tracing.one().data.spans
    assert (weather.name, weather.span_type) == ("get_weather", "TOOL")
    assert {first.parent_id, weather.parent_id, last.parent_id} == {loop.span_id}
    assert inner.parent_id == weather.span_id
    assert last.inputs["messages"][-1]["content"] == "You said: in Paris?"


def test_tool_that_fails_fails_the_loop(tracing: Traces, caller: Caller) -> None:
    """The exception is the user's own."""

    def tool() -> str:
        msg = "no weather today"
        raise KeyError(msg)

    with pytest.raises(KeyError, match="no weather"):
        run(caller, tool)
    loop, [asked] = loop_and_calls(tracing)
    assert loop.status.status_code == SpanStatusCode.ERROR
    assert exception_event(loop)["exception.type"] == "KeyError"
    assert asked.status.status_code == SpanStatusCode.OK


def test_call_that_fails_fails_the_loop(tracing: Traces, caller: Caller) -> None:
    """Both spans have the error."""
    with pytest.raises(litellm.RateLimitError):
        run(caller, lambda: "sunny", "/error 429 slow down")
    loop, [failed] = loop_and_calls(tracing)
    assert loop.span_type == "AGENT"
    for span in (loop, failed):
        assert span.status.status_code == SpanStatusCode.ERROR
        assert exception_event(span)["exception.type"] == "RateLimitError"


def test_loop_without_an_end_is_an_error(tracing: Traces, caller: Caller) -> None:
    """LiteLLM raises after the maximum of rounds."""
    with pytest.raises(litellm.ToolLoopMaxRoundsExceeded):
        run(caller, lambda: "sunny", "/tools 1", max_rounds=2)
    loop, calls = loop_and_calls(tracing)
    assert loop.status.status_code == SpanStatusCode.ERROR
    assert loop.attributes["inner_calls"] == len(calls) == 2
