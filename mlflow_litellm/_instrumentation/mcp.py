"""Make the spans of MCP: a tool call, a list of tools, and the turns of the model between them."""

from __future__ import annotations

import inspect
import json
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common.patching import PatchedFunction
from mlflow_litellm._instrumentation import context
from mlflow_litellm._instrumentation.target import Target
from mlflow_litellm._instrumentation.wrapper import Call, wrapper_for
from mlflow_litellm._payloads.kinds import mcp
from mlflow_litellm._payloads.kinds.table import MCP, RESPONSES
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._common.patching import Wrapper
    from mlflow_litellm._payloads.base import Response

_TURN = Target("aresponses", RESPONSES.span_type, RESPONSES)
_LIST = "tools/list"
_AFTER = "post_mcp_call"


@dataclass(frozen=True, slots=True)
class _Method(Target):
    """
    One request to an MCP server. Calls that the server makes because of it have their own spans.

    Attributes:
        is_composite: Always True: inner calls are calls of their own.
        tool: The name of the tool that is called; empty if the request is for a list.
    """

    is_composite: bool = True
    tool: str = ""

    @property
    def span_name(self) -> str:
        """The name by OpenTelemetry's conventions for MCP, such as ``"tools/call get_weather"``."""
        return f"{self.name} {self.tool}".strip()


class _ToolCall(Call):
    """A tool call of LiteLLM's manager. Guardrails may change its arguments and its result."""

    __slots__ = ("is_sent",)

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        target = _Method(mcp.CALL, MCP.span_type, MCP, tool=str(arguments.get("name") or ""))
        super().__init__(target, arguments)
        self.is_sent = False

    def send(self, arguments: Mapping[str, Any]) -> None:
        """Record the arguments that the server gets instead of the requested arguments."""
        self.is_sent = True
        with guard("recording the arguments of a tool"):
            self.span.record(MCP.request({**self._arguments, "arguments": arguments}))

    def fail(self, error: BaseException) -> None:
        """End the span: the call raised `error`, maybe because a guardrail blocked it."""
        if not self.is_sent:
            with guard("removing the arguments of a tool"):
                self.send({})
        super().fail(error)

    def _read(self, result: object) -> Response:
        response = super()._read(result)
        if _is_masked():
            response.outputs = None
        return response


_running: ContextVar[_ToolCall | None] = ContextVar("mlflow_litellm_tool", default=None)


async def run_tool(wrapped: Any, _: object, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``MCPServerManager.call_tool``, through which LiteLLM runs all tools."""
    call = _ToolCall(_by_name(wrapped, args, kwargs))
    token = _running.set(call)
    try:
        return await _within(call, wrapped, args, kwargs)
    finally:
        _running.reset(token)


async def send_tool(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``MCPClient.call_tool``, which the manager or the user's own code calls."""
    request: dict[str, Any] = {}
    with guard("reading a call of a tool"):
        parameters = _by_name(wrapped, args, kwargs).get("call_tool_request_params")
        request = {key: getattr(parameters, key, None) for key in ("name", "arguments")}
    running = _running.get()
    if running is not None and running.context.is_open:
        running.send(request.get("arguments") or {})
        return await wrapped(*args, **kwargs)
    return await _within(_tool(request), wrapped, args, kwargs)


async def call_openai_tool(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``experimental_mcp_client.call_openai_tool``."""
    if _is_patched(wrapped):
        return await wrapped(*args, **kwargs)
    request: dict[str, Any] = {}
    with guard("reading a call of a tool"):
        function = _by_name(wrapped, args, kwargs)["openai_tool"]["function"]
        request = {"name": function["name"], "arguments": _decoded(function["arguments"])}
    return await _within(_tool(request), wrapped, args, kwargs)


async def load_tools(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``experimental_mcp_client.load_mcp_tools``."""
    if _is_patched(wrapped):
        return await wrapped(*args, **kwargs)
    target = _Method(_LIST, MCP.span_type, MCP)
    call = Call(target, {"jsonrpc": "2.0", "method": _LIST})
    return await _within(call, wrapped, args, kwargs)


def take_turn(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``aresponses`` of the module that calls it for each turn of a call with MCP tools."""
    call = context.current_call()
    if call is None or not call.runs_tools:
        return wrapped(*args, **kwargs)
    return wrapper_for(_TURN, wrapped)(wrapped, instance, args, kwargs)


def _is_patched(function: object) -> bool:
    """Return whether a function is patched already under another name of its module."""
    # Not isinstance(): a patched function claims to be a plain function.
    return type(function) is PatchedFunction


def _tool(request: Mapping[str, Any]) -> Call:
    target = _Method(mcp.CALL, MCP.span_type, MCP, tool=str(request.get("name") or ""))
    return Call(target, request)


async def _within(call: Call, wrapped: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    try:
        call.begin()
        with call.active:
            result = await wrapped(*args, **kwargs)
        return call.deliver(result)
    except BaseException as error:
        call.fail(error)
        raise


def _decoded(arguments: object) -> Any:
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        return arguments


def _by_name(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    with guard("reading the arguments of a call"):
        return {**dict(zip(inspect.signature(function).parameters, args, strict=False)), **kwargs}
    return {}


def _is_masked() -> bool:
    """Return whether a guardrail may change or block results, after the tool's span has ended."""
    callbacks = getattr(sys.modules.get("litellm"), "callbacks", None) or ()
    return any(map(_changes_results, callbacks))


def _changes_results(callback: object) -> bool:
    base: Any = sys.modules.get("litellm.integrations.custom_logger")
    hook = "async_post_mcp_tool_call_hook"
    inherited = getattr(getattr(base, "CustomLogger", None), hook, None)
    if getattr(type(callback), hook, inherited) is not inherited:
        return True
    if not hasattr(callback, "event_hook"):
        return False
    # A guardrail without a mode runs at each hook.
    return callback.event_hook is None or _AFTER in str(callback.event_hook)


_MANAGER: dict[str, Wrapper] = {"MCPServerManager.call_tool": run_tool}
_CLIENT: dict[str, Wrapper] = {"MCPClient.call_tool": send_tool}
_SESSION: dict[str, Wrapper] = {"call_openai_tool": call_openai_tool, "load_mcp_tools": load_tools}
_TURNS: dict[str, Wrapper] = {"aresponses": take_turn}
# By module and function. LiteLLM's versions have different names for a module.
MCP_WRAPPERS: dict[str, dict[str, Wrapper]] = {
    "litellm.responses.main": _TURNS,
    # This module holds the function under another name.
    "litellm.responses.mcp.litellm_proxy_mcp_handler": _TURNS,
    "litellm.proxy._experimental.mcp_server.mcp_server_manager": _MANAGER,
    "litellm.proxy.mcp_server.mcp_server_manager": _MANAGER,
    "litellm.experimental_mcp_client.client": _CLIENT,
    "litellm.mcp_client.client": _CLIENT,
    "litellm.experimental_mcp_client": _SESSION,
    "litellm.mcp_client": _SESSION,
}
