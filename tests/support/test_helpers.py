"""LiteLLM's own work in a call beside the model: agentic loops, caches, guards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from callers import MODEL, AsyncCaller, user
from litellm.integrations.custom_logger import CustomLogger
from traces import answer_text

from mlflow_litellm._instrumentation.builtin_callback import LISTS

if TYPE_CHECKING:
    from provider import LoopbackProvider
    from traces import Traces

agentic_loop = pytest.importorskip("litellm.types.integrations.custom_logger")


@pytest.fixture(autouse=True)
def _callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own lists: LiteLLM copies callbacks from one to the others."""
    for name in (*LISTS, "input_callback", "_async_input_callback"):
        monkeypatch.setattr(litellm, name, [])


class Tool(CustomLogger):
    """Runs the tools that a model calls, and makes LiteLLM call again with the tools' results."""

    async def async_should_run_agentic_loop(self, response: Any, **_: Any) -> tuple[bool, Any]:
        calls = response.choices[0].message.tool_calls
        return bool(calls), {"tool_calls": [call.model_dump() for call in calls or ()]}

    async def async_build_agentic_loop_plan(self, **_: Any) -> Any:
        patch = agentic_loop.AgenticLoopRequestPatch(messages=user("the tools said: sunny"))
        return agentic_loop.AgenticLoopPlan(run_agentic_loop=True, request_patch=patch)


class Judge(CustomLogger):
    """Calls a model of the user, before a call, for a verdict on it."""

    def __init__(self, caller: AsyncCaller) -> None:
        self.caller = caller

    async def async_pre_call_deployment_hook(self, kwargs: Any, call_type: Any) -> Any:
        if kwargs["messages"][0]["content"] != "judge":
            await litellm.acompletion(**self.caller.arguments("judge"))
        return kwargs


def test_turns_of_an_agentic_loop_are_below_the_call(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """The call has the last turn's response, and the tokens are counted in the turns."""
    litellm.callbacks.append(Tool())
    caller = AsyncCaller(provider)
    response = caller.complete("/tools")
    call, turn = tracing.calls()
    assert turn.parent_id == call.span_id
    assert (call.span_type, turn.span_type) == ("CHAIN", "LLM")
    assert turn.inputs["messages"] == user("the tools said: sunny")
    assert answer_text(call) == answer_text(turn) == response.choices[0].message.content
    used = tracing.one().info.token_usage["total_tokens"]
    assert used == response.usage.total_tokens


def test_users_own_call_within_a_call_is_a_call(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """The user's call is no attempt of the outer call, whose tokens are recorded too."""
    caller = AsyncCaller(provider)
    litellm.callbacks.append(Judge(caller))
    response = caller.complete("hello")
    call, judged = tracing.calls()
    assert judged.parent_id == call.span_id
    assert "inner_calls" not in call.attributes
    assert call.attributes["mlflow.chat.tokenUsage"]["total_tokens"] == response.usage.total_tokens


class Afterthought(CustomLogger):
    """Calls a model about a call, after it."""

    def __init__(self, caller: AsyncCaller) -> None:
        self.caller = caller
        self.begun = False
        self.done = asyncio.Event()

    async def async_log_success_event(self, kwargs: Any, **_: Any) -> None:
        # LiteLLM reports some calls twice.
        if kwargs["messages"][0]["content"] == "hello" and not self.begun:
            self.begun = True
            await litellm.acompletion(**self.caller.arguments("judge"))
            self.done.set()


def test_call_after_its_contexts_trace_is_a_trace(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """A callback has the context of its call, which has ended, so its own call is a new trace."""
    caller = AsyncCaller(provider)
    callback = Afterthought(caller)
    litellm.callbacks.append(callback)

    async def main() -> None:
        await litellm.acompletion(**caller.arguments("hello"))
        await asyncio.wait_for(callback.done.wait(), 10)

    caller.run(main)
    asked = [call.inputs["messages"] for call in tracing.calls()]
    assert asked == [user("hello"), user("judge")]
    assert len(tracing.all()) == 2


def test_users_call_within_a_route_is_no_attempt(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """A call by a tool, for example, is a separate call below the composite call."""
    caller = AsyncCaller(provider)

    async def execute(call: Any) -> dict[str, Any]:
        await litellm.acompletion(**caller.arguments("from the tool"))
        return {"role": "tool", "tool_call_id": call.id, "content": "sunny"}

    asked = caller.arguments("/tools")
    asked["tools"] = [{"type": "function", "function": {"name": "get_weather"}}]
    with pytest.raises(Exception, match="still requested tool calls"):
        caller.run(lambda: litellm.arun_tool_loop(**asked, execute_tool=execute, max_rounds=2))
    loop, *calls = tracing.calls()
    assert loop.attributes["inner_calls"] == 2
    assert len(calls) > 2


def test_custom_provider_may_call_litellm(
    tracing: Traces, provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call of a custom provider is a user's call, below the call that reached the provider."""
    caller = AsyncCaller(provider)

    class Forwarding(litellm.CustomLLM):
        async def acompletion(self, *_: Any, **__: Any) -> Any:
            return await litellm.acompletion(**caller.arguments("forwarded"))

    handlers = [{"provider": "forwarding", "custom_handler": Forwarding()}]
    monkeypatch.setattr(litellm, "custom_provider_map", handlers)
    caller.run(lambda: litellm.acompletion(model="forwarding/any", messages=user("hello")))
    call, forwarded = tracing.calls()
    assert forwarded.parent_id == call.span_id
    assert forwarded.inputs["model"] == MODEL
    assert {call.span_type, forwarded.span_type} == {"LLM"}
