"""Traces each request to the gateway, around all that LiteLLM does for it."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import mlflow

from mlflow_litellm._instrumentation import builtin_callback, state
from mlflow_litellm._tracing.guard import guard, logger
from mlflow_litellm.proxy import _export
from mlflow_litellm.proxy._request import ProxiedRequest
from mlflow_litellm.proxy._routes import MCP, asks_a_server, target_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from mlflow_litellm._instrumentation.target import Target

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_current: ContextVar[ProxiedRequest | None] = ContextVar("mlflow_litellm_proxied", default=None)


def current() -> ProxiedRequest | None:
    """Return the request to the gateway that this code runs for, if it has yet to end."""
    request = _current.get()
    return request if request is not None and request.is_open else None


class TracingMiddleware:
    """
    ASGI middleware: https://www.starlette.io/middleware/#pure-asgi-middleware.

    Args:
        app: What answers the requests.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, in a span where it is one for a model."""
        target, is_sendable = None, True
        with guard("looking at a request"):
            target = _target_of(scope)
        if target is MCP:
            # Which it is stands in the body alone.
            message = await receive()
            receive = _again(message, receive)
            with guard("looking at a request to the MCP server"):
                if not asks_a_server(_path(scope), message.get("body") or b""):
                    target = None
        with guard("looking for room"):
            is_sendable = target is None or _export.has_room()
        if target is None:
            await self._app(scope, receive, send)
        elif is_sendable:
            await self._traced(target, scope, receive, send)
        else:
            # The calls that it leads to would be traces of their own.
            with mlflow.tracing.context(enabled=False):
                await self._app(scope, receive, send)

    async def _traced(self, target: Target, scope: Message, receive: Receive, send: Send) -> None:
        request = None
        with guard("starting the span of a request"):
            request = ProxiedRequest(scope, target)
        if request is None:
            await self._app(scope, receive, send)
            return

        async def received() -> Message:
            message = await receive()
            with guard("reading a request"):
                request.receive(message)
            return message

        async def sent(message: Message) -> None:
            with guard("looking for the client"):
                if request.may_have_been_left and await _has_left(receive):
                    request.note_left()
            # The client's first.
            await send(message)
            with guard("reading an answer"):
                request.send(message)

        raised: BaseException | None = None
        token = _current.set(request)
        try:
            with request.active():
                await self._app(scope, received, sent)
        except BaseException as error:
            raised = error
            raise
        finally:
            _current.reset(token)
            with guard("ending the span of a request"):
                request.end(raised)


async def _has_left(receive: Receive) -> bool:
    """Return whether the client of a request that has come whole is gone, without waiting for it."""
    import anyio

    with anyio.CancelScope() as scope:
        scope.cancel()
        return bool((await receive())["type"] == "http.disconnect")
    return False


def _again(message: Message, receive: Receive) -> Receive:
    """Return what gives a message that has been taken once more, and then those after it."""
    taken = [message]

    async def received() -> Message:
        return taken.pop() if taken else await receive()

    return received


def install() -> None:
    """Put the middleware around the running gateway's app. Is idempotent."""
    app = getattr(sys.modules.get("litellm.proxy.proxy_server"), "app", None)
    stack = getattr(app, "middleware_stack", None)
    if app is None or isinstance(stack, TracingMiddleware):
        return
    if stack is None:
        app.add_middleware(TracingMiddleware)
    else:
        # Starlette takes no middleware once it has started; LiteLLM reads its callbacks after.
        app.middleware_stack = TracingMiddleware(stack)


def _target_of(scope: Message) -> Target | None:
    if scope["type"] != "http" or scope["method"] != "POST" or not state.is_enabled():
        return None
    target = target_of(_path(scope))
    if target is not None:
        _tell_of_mlflows()
    return target


def _path(scope: Message) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path") or "")


_told = False


def _tell_of_mlflows() -> None:
    global _told
    if _told:
        return
    # What was added since tracing was switched on.
    builtin_callback.take_out(sys.modules["litellm"])
    if builtin_callback.are_taken_out():
        _told = True
        logger.warning(
            'The configuration names LiteLLM\'s own callback "mlflow" as well. It is left out, as '
            "each request would have two traces: mlflow_litellm traces it. Remove it from "
            "litellm_settings to see this no more."
        )
