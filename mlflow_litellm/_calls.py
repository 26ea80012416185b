"""What happens around one call: the sync and the async wrapper over one shared body."""

from __future__ import annotations

import inspect
import weakref
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlflow_litellm import _nesting, _routes
from mlflow_litellm._guard import guard
from mlflow_litellm._records import StreamRecord
from mlflow_litellm._spans import CallSpan
from mlflow_litellm._streams import is_stream, traced_stream
from mlflow_litellm.payloads._given import secrets
from mlflow_litellm.payloads._redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from mlflow_litellm.payloads import Answer, Payload


@dataclass(frozen=True, slots=True)
class Door:
    """
    One public function of LiteLLM that reaches a model.

    Attributes:
        name: Where it stands below ``litellm``, such as ``"acompletion"``.
        span_type: MLflow's type of its spans, such as ``SpanType.CHAT_MODEL``.
        payload: The module that tells what is recorded.
        bridges: Whether LiteLLM makes calls of other kinds through this one, which then are one
            call with it.
        is_route: Whether it reaches models through other doors alone.
    """

    name: str
    span_type: str
    payload: Payload
    bridges: bool = True
    is_route: bool = False

    @property
    def span_name(self) -> str:
        """The name of its spans, such as ``"litellm-acompletion"``."""
        return f"litellm-{self.name.removeprefix('main.')}"

    def wrapper(self, original: Any) -> Callable[..., Any]:
        """Return the wrapper for this door that fits `original`: sync or async."""
        return self._wrap_async if inspect.iscoroutinefunction(original) else self._wrap_sync

    def _wrap_sync(self, wrapped: Any, owner: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        if self._is_plumbing(kwargs):
            return wrapped(*args, **kwargs)
        call = _Call(self, wrapped, owner, args, kwargs)
        try:
            with call.enclosing.active():
                result = wrapped(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        return call.deliver(result)

    def _wrap_async(self, wrapped: Any, owner: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        # Asked here, as a task that the coroutine is given to has another stack.
        if self._is_plumbing(kwargs):
            return wrapped(*args, **kwargs)
        return self._awaited(wrapped, owner, args, kwargs)

    async def _awaited(self, wrapped: Any, owner: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        call = _Call(self, wrapped, owner, args, kwargs)
        try:
            with call.enclosing.active():
                result = await wrapped(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        return call.deliver(result)

    def _is_plumbing(self, kwargs: Mapping[str, Any]) -> bool:
        with guard("looking for the enclosing call"):
            # How acompletion() calls completion() in an executor.
            if kwargs.get("acompletion") is True:
                return True
            return _nesting.is_plumbing(self.payload, bridges=self.bridges)
        return False


class _Call:
    """One call on its way through a door."""

    __slots__ = ("_arguments", "_door", "_unawaited", "enclosing", "span")

    def __init__(
        self,
        door: Door,
        wrapped: Any,
        owner: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._door = door
        self._arguments: Mapping[str, Any] = kwargs
        self.span = CallSpan(door.span_name, door.span_type)
        self.enclosing = _nesting.Enclosing(self.span, door.payload, is_route=door.is_route)
        if self.span.recording:
            with guard("reading a request"):
                self._arguments = _by_name(wrapped, args, kwargs)
                request = door.payload.request(self._arguments)
                if door.is_route:
                    request.attributes.update(_routes.attributes(owner, self._arguments))
                self.span.record(request)

    def deliver(self, result: Any) -> Any:
        """Return what the caller gets: `result`, or a proxy that ends the span later."""
        if self.span.recording:
            with guard("opening a stream"):
                if is_stream(result) and hasattr(self._door.payload, "Accumulator"):
                    return self._stream(result)
                if inspect.iscoroutine(result):
                    return self._coroutine(result)
        answer = None
        if self.span.recording:
            with guard("reading an answer"):
                answer = self._door.payload.answer(result, self._arguments)
        self.enclosing.is_open = False
        self.span.finish(self._ended(answer))
        return result

    def fail(self, error: BaseException) -> None:
        """End the span: the call raised `error`."""
        answer = None
        if self.span.recording:
            with guard("reading a failure"):
                answer = self._door.payload.failure(error, self._arguments)
        self.enclosing.is_open = False
        redact = _Redaction(self._arguments, self._door.payload.RECORDED)
        self.span.fail(error, self._ended(answer), redact)

    def _ended(self, answer: Answer | None) -> Answer | None:
        if answer is not None and self.enclosing.is_composite:
            with guard("ending a route"):
                _routes.tell(answer, self.enclosing)
        return answer

    def _stream(self, stream: Any) -> Any:
        # Not the messages: the stream may be kept long.
        kept = {key: value for key, value in self._arguments.items() if key != "messages"}
        payload: Any = self._door.payload
        accumulator = payload.Accumulator(kept, stream)
        redact = _Redaction(kept, payload.RECORDED)
        return traced_stream(stream, StreamRecord(self.enclosing, accumulator, redact))

    def _coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return a coroutine for one that a sync call gave, as it does with MCP tools."""
        awaited = self._awaited(coroutine)
        # One that is never awaited must not leave its span open.
        self._unawaited = weakref.finalize(awaited, self.span.finish)
        self._unawaited.atexit = False
        return awaited

    async def _awaited(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        # What it gives may be a stream, which outlives it.
        self._unawaited.detach()
        try:
            with self.enclosing.active():
                result = await coroutine
        except BaseException as error:
            self.fail(error)
            raise
        return self.deliver(result)


class _Redaction:
    """Takes the secrets that a call was given out of the texts of its exception."""

    def __init__(self, arguments: Mapping[str, Any], shown: frozenset[str]) -> None:
        self._arguments = arguments
        self._shown = shown
        self._secrets: list[str] | None = None

    def __call__(self, text: str) -> str:
        if self._secrets is None:
            self._secrets = secrets(self._arguments, self._shown)
        return redacted(text, self._secrets)


def _by_name(wrapped: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments by name. The positional order of acompletion is not completion's."""
    if not args:
        return kwargs
    function = getattr(wrapped, "__func__", wrapped)
    names = _parameters(function)[0 if function is wrapped else 1 :]
    return {**dict(zip(names, args, strict=False)), **kwargs}


# Reading LiteLLM's signature takes 60 us.
@lru_cache(maxsize=64)
def _parameters(function: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)
