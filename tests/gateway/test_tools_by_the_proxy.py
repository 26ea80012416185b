"""Tools of MCP servers at the proxy: run by it for a model, or called by an MCP client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from custom_auth import VIRTUAL_KEY
from gateways import root, spans, tree
from mlflow.entities import SpanStatusCode
from tool_servers import TOOLS

if TYPE_CHECKING:
    from gateways import Gateway, Spans
    from mlflow.entities import Trace

KEY = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "hello there"}]},
    "messages": {"messages": [{"role": "user", "content": "hello there"}], "max_tokens": 50},
    "responses": {"input": "hello there"},
}
FUNCTIONS = {
    "chat/completions": "acompletion",
    "messages": "anthropic_messages",
    "responses": "aresponses",
}
TOKENS = {"input_tokens": 2 + 5, "output_tokens": 1 + 4, "total_tokens": 12}
TOOL = "tools/call get_weather"
# MCP's own transport takes either form of a response.
ACCEPTED = {"Accept": "application/json, text/event-stream"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("path", ASKED)
def test_tool_that_the_proxy_runs_is_in_the_requests_trace(
    gateway: Gateway, recorded: Spans, tag: str, path: str, stream: bool
) -> None:
    """The tool's span is between the model's calls, which have all tokens."""
    body = {"model": "chat", "tools": TOOLS, "tool_choice": "required", "stream": stream}
    more = {"stream_options": {"include_usage": True}} if path != "responses" and stream else {}
    if path == "messages":
        more, body = {}, {**body, "tool_choice": {"type": "any"}}
    told = {**ASKED[path], **body, **more, "litellm_metadata": {"tags": [tag]}}
    answer = httpx.post(f"{gateway.url}/v1/{path}", json=told, headers=KEY, timeout=60)
    assert answer.status_code == 200, answer.text
    [trace] = recorded.when(lambda trace: tag in trace.info.tags and trace.info.token_usage)
    name = f"litellm-{FUNCTIONS[path]}"
    turns = (name, [(name, []), (TOOL, []), (name, [])])
    below = [(f"litellm-Router.{FUNCTIONS[path]}", [turns])]
    assert tree(trace) == (f"POST /v1/{path}", below)
    assert trace.info.token_usage.items() >= TOKENS.items()


def by_mcp(gateway: Gateway, method: str, **params: Any) -> Any:
    """Call the proxy's MCP server, and return its response message."""
    told = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {**KEY, **ACCEPTED}
    answer = httpx.post(f"{gateway.url}/mcp/", json=told, headers=headers, timeout=60)
    assert answer.status_code == 200
    return answer.text


def of_place(recorded: Spans, place: str) -> Trace:
    """Return the trace that mentions a place."""
    [trace] = recorded.when(lambda trace: place in trace.to_json())
    return trace


def test_call_by_mcp_is_a_trace_of_the_request_and_the_tool(
    gateway: Gateway, recorded: Spans
) -> None:
    """The trace has the key's name, and the tool's arguments and result."""
    place = f"Paris-{uuid4().hex}"
    by_mcp(gateway, "tools/call", name="weather-get_weather", arguments={"location": place})
    trace = of_place(recorded, place)
    assert tree(trace) == ("POST /mcp/", [(TOOL, [])])
    [tool] = spans(trace, TOOL)
    for span in (root(trace), tool):
        assert span.inputs["arguments"] == {"location": place}
        assert span.outputs["content"][0]["text"] == f"sunny in {place}"
        assert span.status.status_code == SpanStatusCode.OK
    assert root(trace).attributes["mcp.method.name"] == "tools/call"
    assert root(trace).attributes["user_api_key_alias"] == "research-key"


def test_tool_that_fails_is_an_error_in_both_spans(gateway: Gateway, recorded: Spans) -> None:
    """Both spans are errors, though the status is 200 and nothing is raised."""
    before = sum(map(is_nowhere, recorded.all()))
    by_mcp(gateway, "tools/call", name="weather-get_weather", arguments={"location": "nowhere"})
    trace = recorded.when(is_nowhere, count=before + 1)[-1]
    [tool] = spans(trace, TOOL)
    assert tool.status.description == "ToolError: Error executing tool get_weather"
    assert root(trace).status.status_code == SpanStatusCode.ERROR
    assert root(trace).attributes["http.response.status_code"] == 200


def is_nowhere(trace: Trace) -> bool:
    """Return whether a trace is of the tool with the place for which it fails."""
    arguments = (root(trace).inputs or {}).get("arguments")
    return root(trace).name == "POST /mcp/" and arguments == {"location": "nowhere"}


def test_call_by_rest_is_a_trace_as_well(gateway: Gateway, recorded: Spans) -> None:
    """A call by LiteLLM's own tool route is a trace as well."""
    place = f"Rome-{uuid4().hex}"
    listed = httpx.get(f"{gateway.url}/mcp-rest/tools/list", headers=KEY, timeout=60).json()
    server = listed["tools"][0]["mcp_info"]["server_id"]
    asked = {"server_id": server, "name": "get_weather", "arguments": {"location": place}}
    httpx.post(f"{gateway.url}/mcp-rest/tools/call", json=asked, headers=KEY, timeout=60)
    trace = of_place(recorded, place)
    assert tree(trace) == ("POST /mcp-rest/tools/call", [(TOOL, [])])
    assert root(trace).outputs["content"][0]["text"] == f"sunny in {place}"


def test_list_by_mcp_is_a_trace_and_opening_a_session_is_none(
    gateway: Gateway, recorded: Spans
) -> None:
    """Opening a session leaves no trace, as clients open a session for each request."""
    client = {"name": "test", "version": "1"}
    by_mcp(gateway, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
    by_mcp(gateway, "tools/list")
    [listed] = recorded.when(
        lambda trace: root(trace).attributes.get("mcp.method.name") == "tools/list"
    )
    assert root(listed).attributes["user_api_key_alias"] == "research-key"
    [tool] = root(listed).outputs["tools"]
    assert tool["name"] == "weather-get_weather"
    methods = {root(trace).attributes.get("mcp.method.name") for trace in recorded.all()}
    assert "initialize" not in methods
