"""
Calls of MCP's methods: the tools that LiteLLM runs, and the requests to the proxy's MCP server.

https://modelcontextprotocol.io/specification
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._common import attributes as names
from mlflow_litellm._payloads.base import Request, Response, StreamError
from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.kind import Accumulator, Kind
from mlflow_litellm._payloads.media import bounded
from mlflow_litellm._payloads.secrets import redact_named_secrets
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

CALL = "tools/call"
# LiteLLM's names for a tool's server, in its functions and in its HTTP route.
_SERVERS = ("server_name", "server_id")
# The key in MCP's JSON and in MCP's Python package.
_FAILED = ("isError", "is_error")


class ToolError(StreamError):
    """An error that a tool or an MCP server reports in its response."""


class McpKind(Kind):
    """The calls of MCP's methods, which reach no model: they have neither tokens nor a provider."""

    def request(self, arguments: Mapping[str, Any]) -> Request:
        """Return the request, from the arguments of a call or the body of a JSON-RPC request."""
        method = arguments.get("method") if "jsonrpc" in arguments else CALL
        params = (arguments.get("params") if "jsonrpc" in arguments else arguments) or {}
        inputs = to_jsonable({key: params[key] for key in self.recorded if key in params})
        server = next((arguments[key] for key in _SERVERS if arguments.get(key)), None)
        attributes = {
            names.MCP_METHOD: method,
            names.MCP_SERVER: server,
            # https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/#execute-tool-span
            names.TOOL_NAME: inputs.get("name") if method == CALL else None,
        }
        texts = {key: value for key, value in attributes.items() if isinstance(value, str)}
        return Request(bounded(redact_named_secrets(inputs)), attributes=texts)

    def parse_response(self, response: object, _: Mapping[str, Any]) -> Response:
        """Return the response, from a result or the JSON-RPC message that holds it."""
        body = to_jsonable(response)
        if isinstance(body, dict) and "jsonrpc" in body:
            if error := body.get("error"):
                return Response(bounded(redact_named_secrets(error)), error=_error(error))
            body = body.get("result")
        parsed = Response(bounded(redact_named_secrets(body)))
        if isinstance(body, dict) and any(body.get(name) for name in _FAILED):
            texts = (part.get("text") for part in dicts(body.get("content")))
            parsed.error = ToolError(" ".join(text for text in texts if isinstance(text, str)))
        return parsed


def _error(error: object) -> ToolError:
    parts = (error.get("code"), error.get("message")) if isinstance(error, dict) else (error,)
    return ToolError(": ".join(str(part) for part in parts if part))


class MessageAccumulator(Accumulator):
    """Finds the response among the messages that an MCP server sends for one request."""

    _last: Any = None

    def add(self, chunk: Any) -> None:
        """Add the next message; notifications are skipped."""
        if "result" in chunk or "error" in chunk:
            self._last, self._has_content = chunk, True
            self.error = self.response().error

    def response(self) -> Response:
        """Return the response; an empty one if it has not arrived."""
        if self._last is None:
            return Response()
        return self._kind.parse_response(self._last, self._arguments)
