"""Tools of MCP servers that LiteLLM runs in this process: a span between the model's two calls."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import httpx2
import litellm
import mlflow
import pytest
from callers import AsyncCaller
from gateways import tree
from litellm import experimental_mcp_client
from litellm.integrations.custom_guardrail import CustomGuardrail
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mlflow.entities import SpanStatusCode
from tool_servers import TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow.entities import Span
    from provider import LoopbackProvider
    from tool_servers import ToolServer
    from traces import Traces

SECRET = "sk-very-secret-0123456789"
USAGE = "mlflow.chat.tokenUsage"
# Tokens of "hello there", of the tool's call and result added, and of "You said: hello there".
TOKENS = {"input_tokens": 2 + 5, "output_tokens": 1 + 4, "total_tokens": 12}
KINDS = ("acompletion", "aresponses")


def _manager() -> Any:
    """Return the module of LiteLLM's MCP servers, which LiteLLM has moved."""
    try:
        return importlib.import_module("litellm.proxy.mcp_server.mcp_server_manager")
    except ImportError:
        return importlib.import_module("litellm.proxy._experimental.mcp_server.mcp_server_manager")


@pytest.fixture(autouse=True)
def _servers(weather: ToolServer) -> Iterator[None]:
    """Register the server with LiteLLM, as the proxy's configuration does."""
    manager = _manager().global_mcp_server_manager
    run(lambda: manager.load_servers_from_config(weather.configuration))
    yield
    manager.config_mcp_servers.clear()


def run(make: Callable[[], Any]) -> Any:
    """Await the function's awaitable, on the loop of all tests."""
    # The runner of the loop needs no provider.
    return AsyncCaller(None).run(make)  # type: ignore[arg-type]


def ask(kind: str, provider: LoopbackProvider, *, stream: bool, **more: Any) -> Any:
    """Call a model that calls the tool, and read the response."""
    asked = {"role": "user", "content": "hello there"}
    said = {"messages": [asked]} if kind.endswith("completion") else {"input": "hello there"}
    counted = {"stream_options": {"include_usage": True}} if kind == "acompletion" else {}
    known = {
        "model": "openai/gpt-4o-mini",
        "api_base": provider.openai_base,
        "api_key": SECRET,
        "tools": TOOLS,
        "tool_choice": "required",
    }

    async def answered() -> Any:
        answer = getattr(litellm, kind)(**known, **said, stream=stream, **counted, **more)
        answer = await answer if hasattr(answer, "__await__") else answer
        return [chunk async for chunk in answer] if stream else answer

    return run(answered)


def tool_span(traces: Traces) -> Span:
    """Return the span of the tool."""
    [found] = [span for span in traces.one().data.spans if span.span_type == "TOOL"]
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
def test_tool_stands_between_two_calls_of_the_model(
    tracing: Traces, provider: LoopbackProvider, kind: str, stream: bool
) -> None:
    """The tool's span is between the model's two calls, and each token is counted once."""
    ask(kind, provider, stream=stream)
    name = f"litellm-{kind}"
    trace = tracing.one()
    turns = [(name, []), ("tools/call get_weather", []), (name, [])]
    assert tree(trace) == (name, turns)
    [root] = [span for span in trace.data.spans if span.parent_id is None]
    assert (root.span_type, root.get_attribute(USAGE)) == ("CHAIN", None)
    assert root.attributes["inner_calls"] == 2
    assert trace.info.token_usage.items() >= TOKENS.items()
    assert {span.status.status_code for span in trace.data.spans} == {SpanStatusCode.OK}
    assert SECRET not in trace.to_json()


def test_span_has_the_tool_and_what_it_was_given_and_gave(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """The span has OpenTelemetry's names, and LiteLLM's name of the server."""
    ask("acompletion", provider, stream=False)
    span = tool_span(tracing)
    assert span.inputs == {"name": "get_weather", "arguments": {"location": "yes"}}
    assert span.outputs["content"] == [{"type": "text", "text": "sunny in yes"}]
    assert span.attributes["gen_ai.tool.name"] == "get_weather"
    assert span.attributes["mcp_server_name"] == "weather"
    assert span.attributes["mcp.method.name"] == "tools/call"


@pytest.mark.parametrize("name", ["completion", "responses"])
def test_sync_call_has_the_same_tree(
    tracing: Traces, provider: LoopbackProvider, name: str
) -> None:
    """LiteLLM runs one as a coroutine, the other in a thread; both make the same tree."""
    ask(name, provider, stream=False)
    _, turns = tree(tracing.one())
    assert [turn for turn, _ in turns][1:2] == ["tools/call get_weather"]
    assert tracing.one().info.token_usage.items() >= TOKENS.items()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
def test_content_switched_off_leaves_the_tools_content_out(
    traces: Traces, provider: LoopbackProvider, kind: str, stream: bool
) -> None:
    """With content switched off, the tool's arguments and result are not recorded."""
    mlflow.litellm.autolog(log_content=False)
    ask(kind, provider, stream=stream)
    span = tool_span(traces)
    assert (span.inputs, span.outputs) == ({}, None)
    assert "sunny" not in traces.one().to_json()
    assert span.attributes["gen_ai.tool.name"] == "get_weather"


class Masking(CustomGuardrail):
    """Masks a tool's arguments or its result, or forbids the call."""

    def __init__(self, mode: str, *, forbids: bool = False) -> None:
        super().__init__(guardrail_name="masking", event_hook=mode, default_on=True)
        self._forbids = forbids

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> dict[str, Any]:
        """Mask the place."""
        # It also runs for each tool's description.
        if self._forbids and data.get("mcp_arguments"):
            message = "no places"
            raise ValueError(message)
        return {**data, "modified_arguments": {"location": "<PLACE>"}}


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Callable[[Masking], None]:
    """Provide a function that installs a guardrail for a test."""
    return lambda guardrail: monkeypatch.setattr(litellm, "callbacks", [guardrail])


def test_result_that_a_guardrail_has_yet_to_mask_is_left_out(
    tracing: Traces, provider: LoopbackProvider, guarded: Callable[[Masking], None]
) -> None:
    """The tool's span has no result if a guardrail masks results after the tool's end."""
    guarded(Masking("post_mcp_call"))
    ask("acompletion", provider, stream=False)
    assert tool_span(tracing).outputs is None


def test_arguments_are_those_that_the_server_gets(
    tracing: Traces, provider: LoopbackProvider, guarded: Callable[[Masking], None]
) -> None:
    """The span has the arguments as the server gets them, after a guardrail has masked them."""
    guarded(Masking("pre_mcp_call"))
    ask("acompletion", provider, stream=False)
    span = tool_span(tracing)
    assert span.inputs["arguments"] == {"location": "<PLACE>"}
    assert span.outputs["content"] == [{"type": "text", "text": "sunny in <PLACE>"}]


def test_arguments_that_a_guardrail_forbids_are_left_out(
    tracing: Traces, provider: LoopbackProvider, guarded: Callable[[Masking], None]
) -> None:
    """The span has the error and no arguments; the model gets the error too."""
    guarded(Masking("pre_mcp_call", forbids=True))
    ask("acompletion", provider, stream=False)
    span = tool_span(tracing)
    assert span.status.status_code == SpanStatusCode.ERROR
    assert span.inputs == {"name": "get_weather", "arguments": {}}


def test_answer_that_says_an_error_is_one(tracing: Traces, weather: ToolServer) -> None:
    """A tool result that reports an error is an error, though nothing is raised."""
    session_with(weather, lambda session: call_by(session, {"location": "nowhere"}))
    span = tool_span(tracing)
    assert span.status.status_code == SpanStatusCode.ERROR
    assert span.status.description == "ToolError: Error executing tool get_weather"


def test_clients_own_functions_are_traced(tracing: Traces, weather: ToolServer) -> None:
    """The functions of LiteLLM's MCP client for a user's own session are traced."""

    async def work(session: ClientSession) -> Any:
        tools = await experimental_mcp_client.load_mcp_tools(session, format="openai")
        await call_by(session, {"location": "Paris", "api_key": SECRET})
        return tools

    [tool] = session_with(weather, work)
    listed, called = [trace.data.spans[0] for trace in tracing.all()]
    assert tool["function"]["name"] == listed.outputs[0]["function"]["name"] == "get_weather"
    assert (listed.name, called.name) == ("tools/list", "tools/call get_weather")
    assert called.outputs["content"] == [{"type": "text", "text": "sunny in Paris"}]
    assert called.inputs["arguments"] == {"location": "Paris", "api_key": "[REDACTED]"}


def test_switched_off_the_originals_are_back(tracing: Traces, weather: ToolServer) -> None:
    """The original functions are back in each module and class with which LiteLLM runs tools."""
    mlflow.litellm.autolog(disable=True)
    before = [patch.current for patch in _late_patches()]
    mlflow.litellm.autolog()
    assert all(patch.current is not old for patch, old in zip(_late_patches(), before, strict=True))
    mlflow.litellm.autolog(disable=True)
    assert [patch.current for patch in _late_patches()] == before
    session_with(weather, lambda session: call_by(session, {"location": "Paris"}))
    assert tracing.all() == []


def _late_patches() -> Any:
    from mlflow_litellm._instrumentation.late_targets import late_patches

    return list(late_patches)


def call_by(session: ClientSession, arguments: dict[str, Any]) -> Any:
    """Call the tool as a model's response requests it."""
    function = {"name": "get_weather", "arguments": json.dumps(arguments)}
    asked = {"id": "call_1", "type": "function", "function": function}
    return experimental_mcp_client.call_openai_tool(session=session, openai_tool=asked)


def session_with(weather: ToolServer, work: Callable[[ClientSession], Any]) -> Any:
    """Run a function with a session of MCP's own client."""
    [server] = weather.configuration.values()

    async def main() -> Any:
        async with (
            httpx2.AsyncClient() as client,
            streamable_http_client(server["url"], http_client=client) as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            return await work(session)

    return run(main)
