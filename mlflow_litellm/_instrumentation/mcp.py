"""The spans of MCP: a tool that LiteLLM runs, a list of tools, the model's turns between."""

from __future__ import annotations

import inspect
import json
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._common.patching import PatchedFunction
from mlflow_litellm._instrumentation import context
from mlflow_litellm._instrumentation.target import Target
from mlflow_litellm._instrumentation.wrapper import Call, wrapper_for
from mlflow_litellm._payloads.kinds import mcp, responses
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

_TURN = Target("aresponses", SpanType.LLM, responses)
_LIST = "tools/list"
_AFTER = "post_mcp_call"


@dataclass(frozen=True, slots=True)
class _Method(Target):
    """
    One request to an MCP server. Calls that the server makes in return are calls of their own.

    Attributes:
        target: The tool that is called; empty where the request is for a list.
    """

    is_composite: bool = True
    tool: str = ""

    @property
    def span_name(self) -> str:
        """As OpenTelemetry's conventions for MCP have it, such as ``"tools/call get_weather"``."""
        return f"{self.name} {self.tool}".strip()


class _ToolCall(Call):
    """A tool that LiteLLM's manager runs: its guardrails may change what is sent and returned."""

    __slots__ = ("is_sent",)

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        target = _Method(mcp.CALL, SpanType.TOOL, mcp, tool=str(arguments.get("name") or ""))
        super().__init__(target, arguments)
        self.is_sent = False

    def send(self, arguments: Mapping[str, Any]) -> None:
        """Record the arguments that the server gets, in the place of those that were asked for."""
        self.is_sent = True
        with guard("recording what a tool is sent"):
            self.span.record(mcp.request({**self._arguments, "arguments": arguments}))

    def fail(self, error: BaseException) -> None:
        """End the span: the call raised `error`, maybe as a guardrail forbade its arguments."""
        if not self.is_sent:
            with guard("leaving out what a tool was not sent"):
                self.send({})
        super().fail(error)

    def _read(self, result: Any) -> Response:
        response = super()._read(result)
        if _is_masked():
            response.outputs = None
        return response


_running: ContextVar[_ToolCall | None] = ContextVar("mlflow_litellm_tool", default=None)


async def run_tool(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``MCPServerManager.call_tool``, which all that LiteLLM runs passes through."""
    call = _ToolCall(_by_name(wrapped, args, kwargs))
    token = _running.set(call)
    try:
        return await _within(call, wrapped, args, kwargs)
    finally:
        _running.reset(token)


async def send_tool(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``MCPClient.call_tool``: the end of the way for the manager's tools, or all of it."""
    asked: dict[str, Any] = {}
    with guard("reading a call of a tool"):
        parameters = _by_name(wrapped, args, kwargs).get("call_tool_request_params")
        asked = {key: getattr(parameters, key, None) for key in ("name", "arguments")}
    running = _running.get()
    if running is not None and running.context.is_open:
        running.send(asked.get("arguments") or {})
        return await wrapped(*args, **kwargs)
    return await _within(_tool(asked), wrapped, args, kwargs)


async def call_openai_tool(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``experimental_mcp_client.call_openai_tool``."""
    if _is_patched(wrapped):
        return await wrapped(*args, **kwargs)
    asked: dict[str, Any] = {}
    with guard("reading a call of a tool"):
        function = _by_name(wrapped, args, kwargs)["openai_tool"]["function"]
        asked = {"name": function["name"], "arguments": _decoded(function["arguments"])}
    return await _within(_tool(asked), wrapped, args, kwargs)


async def load_tools(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``experimental_mcp_client.load_mcp_tools``."""
    if _is_patched(wrapped):
        return await wrapped(*args, **kwargs)
    target = _Method(_LIST, SpanType.TOOL, mcp)
    call = Call(target, {"jsonrpc": "2.0", "method": _LIST})
    return await _within(call, wrapped, args, kwargs)


def take_turn(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``aresponses`` of the module that calls it for each turn of a call with MCP tools."""
    call = context.current_call()
    if call is None or not call.runs_tools:
        return wrapped(*args, **kwargs)
    return wrapper_for(_TURN, wrapped)(wrapped, instance, args, kwargs)


def _is_patched(function: Any) -> bool:
    """Tell whether a function is traced already: LiteLLM has it under an old name as well."""
    # Not isinstance(): it claims to be a function.
    return type(function) is PatchedFunction


def _tool(asked: Mapping[str, Any]) -> Call:
    target = _Method(mcp.CALL, SpanType.TOOL, mcp, tool=str(asked.get("name") or ""))
    return Call(target, asked)


async def _within(call: Call, wrapped: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    try:
        call.begin()
        with call.active:
            result = await wrapped(*args, **kwargs)
        return call.deliver(result)
    except BaseException as error:
        call.fail(error)
        raise


def _decoded(arguments: Any) -> Any:
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        return arguments


def _by_name(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    with guard("reading the arguments of a call"):
        return {**dict(zip(inspect.signature(function).parameters, args, strict=False)), **kwargs}
    return {}


def _is_masked() -> bool:
    """Tell whether a guardrail changes or forbids results, which it does after the tool's span."""
    callbacks = getattr(sys.modules.get("litellm"), "callbacks", None) or ()
    return any(map(_changes_results, callbacks))


def _changes_results(callback: Any) -> bool:
    base: Any = sys.modules.get("litellm.integrations.custom_logger")
    hook = "async_post_mcp_tool_call_hook"
    inherited = getattr(getattr(base, "CustomLogger", None), hook, None)
    if getattr(type(callback), hook, inherited) is not inherited:
        return True
    if not hasattr(callback, "event_hook"):
        return False
    # One without a mode runs at each point.
    return callback.event_hook is None or _AFTER in str(callback.event_hook)
