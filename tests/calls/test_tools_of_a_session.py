"""LiteLLM's functions for a session with an MCP server: one span each, under any name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from scripts import succeed

if TYPE_CHECKING:
    from pathlib import Path

    from traces import Traces

experimental_mcp_client = pytest.importorskip("litellm.experimental_mcp_client")
CALL = {"name": "get_weather", "arguments": '{"location": "Rome"}'}
ASKED: dict[str, Any] = {"id": "call_1", "type": "function", "function": CALL}


class Session:
    """A session with a server."""

    async def call_tool(self, **_: Any) -> Any:
        return {"content": [{"type": "text", "text": "sunny"}]}


def call() -> Any:
    """Call a tool in the format of a model's tool call."""
    return asyncio.run(experimental_mcp_client.call_openai_tool(Session(), ASKED))


# Tracing is on before LiteLLM imports the module that calls tools.
EARLY = """
    import asyncio
    import mlflow

    mlflow.litellm.autolog()
    from litellm import experimental_mcp_client

    class Session:
        async def call_tool(self, **_):
            return {"content": []}

    function = {"name": "get_weather", "arguments": "{}"}
    asked = {"id": "call_1", "type": "function", "function": function}
    asyncio.run(experimental_mcp_client.call_openai_tool(Session(), asked))
    mlflow.flush_trace_async_logging()
    [trace] = mlflow.search_traces(return_type="list")
    print([span.name for span in trace.data.spans])
"""


def test_tracing_before_the_import_gives_one_span_as_well(tmp_path: Path) -> None:
    """Some versions of LiteLLM have the function under an old and a new name."""
    assert "['tools/call get_weather']" in succeed(EARLY, tmp_path)


def test_call_is_one_span(tracing: Traces) -> None:
    """The span has the tool's name and arguments."""
    assert call() == {"content": [{"type": "text", "text": "sunny"}]}
    span = tracing.span()
    assert (span.name, span.span_type) == ("tools/call get_weather", "TOOL")
    assert span.inputs == {"name": "get_weather", "arguments": {"location": "Rome"}}


def test_call_is_one_span_after_tracing_was_off(tracing: Traces) -> None:
    """While tracing is off, there is no span."""
    mlflow.litellm.autolog(disable=True)
    call()
    assert tracing.all() == []
    mlflow.litellm.autolog()
    call()
    assert tracing.span().name == "tools/call get_weather"
