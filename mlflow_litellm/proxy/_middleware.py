"""Trace each request to LiteLLM Proxy, from its first message to its last."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import mlflow

from mlflow_litellm._instrumentation.builtin_callback import removed_callbacks
from mlflow_litellm._instrumentation.decision import tracing
from mlflow_litellm._tracing.guard import guard, logger
from mlflow_litellm.proxy import _export
from mlflow_litellm.proxy._request import ProxiedRequest
from mlflow_litellm.proxy._routes import MCP_TARGET, calls_server, target_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from mlflow_litellm._instrumentation.target import Target

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_current: ContextVar[ProxiedRequest | None] = ContextVar("mlflow_litellm_proxied", default=None)


def current() -> ProxiedRequest | None:
    """Return the request to the proxy that this code runs for, or None if it has ended."""
    request = _current.get()
    return request if request is not None and request.is_open else None


class TracingMiddleware:
    """
    ASGI middleware: https://www.starlette.io/middleware/#pure-asgi-middleware.

    Args:
        app: The ASGI app that answers the requests.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._has_warned = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request. If it is for a model, it gets a span."""
        target, is_sendable = None, True
        with guard("looking at a request"):
            target = _target_of(scope)
            if target is not None:
                self._warn_of_builtin_callback()
        if target is MCP_TARGET:
            # Only the body has the method of the request.
            message = await receive()
            receive = _replayed(message, receive)
            with guard("looking at a request to the MCP server"):
                if not calls_server(_path(scope), message.get("body") or b""):
                    target = None
        with guard("looking for room"):
            is_sendable = target is None or _export.has_room()
        if target is None:
            await self._app(scope, receive, send)
        elif is_sendable:
            await self._traced(target, scope, receive, send)
        else:
            # Otherwise, its calls would be traces of their own.
            with mlflow.tracing.context(enabled=False):
                await self._app(scope, receive, send)

    def _warn_of_builtin_callback(self) -> None:
        if self._has_warned:
            return
        # The callback may have been added since tracing was switched on.
        removed_callbacks.remove(sys.modules["litellm"])
        if removed_callbacks:
            self._has_warned = True
            logger.warning(
                'The configuration names LiteLLM\'s own callback "mlflow" as well. It is left out, '
                "because each request would have two traces: mlflow_litellm traces it too. To stop "
                "this warning, remove the callback from litellm_settings."
            )

    async def _traced(self, target: Target, scope: Message, receive: Receive, send: Send) -> None:
        request = None
        with guard("starting the span of a request"):
            request = ProxiedRequest(scope, target)
        if request is None:
            await self._app(scope, receive, send)
            return
        raised: BaseException | None = None
        token = _current.set(request)
        try:
            with request.active():
                await self._app(
                    scope,
                    _recorded_receive(receive, request),
                    _recorded_send(send, receive, request),
                )
        except BaseException as error:
            raised = error
            raise
        finally:
            _current.reset(token)
            with guard("ending the span of a request"):
                request.end(raised)


def _recorded_receive(receive: Receive, request: ProxiedRequest) -> Receive:
    """Return a `receive` that records the messages of the client."""

    async def received() -> Message:
        message = await receive()
        with guard("reading a request"):
            request.receive(message)
        return message

    return received


def _recorded_send(send: Send, receive: Receive, request: ProxiedRequest) -> Send:
    """Return a `send` that records the messages to the client."""

    async def sent(message: Message) -> None:
        with guard("checking for the client"):
            if request.may_be_disconnected and await _is_disconnected(receive):
                request.record_disconnect()
        # The client gets the message before it is read here.
        await send(message)
        with guard("reading a response"):
            request.send(message)

    return sent


async def _is_disconnected(receive: Receive) -> bool:
    """Return whether the client of a completely received request has left. Does not wait."""
    import anyio

    with anyio.CancelScope() as scope:
        scope.cancel()
        return bool((await receive())["type"] == "http.disconnect")
    return False


def _replayed(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that returns `message` again, and then the messages after it."""
    taken = [message]

    async def received() -> Message:
        return taken.pop() if taken else await receive()

    return received


def install() -> None:
    """Put the middleware around the app of the running proxy. Is idempotent."""
    app = getattr(sys.modules.get("litellm.proxy.proxy_server"), "app", None)
    stack = getattr(app, "middleware_stack", None)
    if app is None or isinstance(stack, TracingMiddleware):
        return
    if stack is None:
        app.add_middleware(TracingMiddleware)
    else:
        # Starlette takes no middleware after its start, and LiteLLM reads its callbacks later.
        app.middleware_stack = TracingMiddleware(stack)


def _target_of(scope: Message) -> Target | None:
    if scope["type"] != "http" or scope["method"] != "POST" or not tracing.is_enabled():
        return None
    return target_of(_path(scope))


def _path(scope: Message) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path") or "")
