"""What happens around one call: the sync and the async wrapper over one shared body."""

from __future__ import annotations

import inspect
import weakref
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlflow_litellm._guard import guard
from mlflow_litellm._records import StreamRecord
from mlflow_litellm._spans import CallSpan
from mlflow_litellm._streams import is_stream, traced_stream
from mlflow_litellm.payloads._given import secrets
from mlflow_litellm.payloads._redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from mlflow_litellm._records import Accumulator
    from mlflow_litellm.payloads import Answer, Request


@dataclass(frozen=True, slots=True)
class Door:
    """
    One public function of LiteLLM that reaches a model.

    Attributes:
        name: Its name in ``litellm``, such as ``"acompletion"``.
        span_type: MLflow's type of its spans, such as ``SpanType.CHAT_MODEL``.
        shown: The names of the arguments that are recorded.
        request: Makes what is recorded of the arguments, given by name.
        answer: Makes what is recorded of a response and the arguments.
        failure: Makes what is recorded beside an exception, from that and the arguments.
        accumulator: Makes what joins a stream's chunks, from the arguments and the stream.
    """

    name: str
    span_type: str
    shown: frozenset[str]
    request: Callable[[Mapping[str, Any]], Request]
    answer: Callable[[Any, Mapping[str, Any]], Answer]
    failure: Callable[[BaseException, Mapping[str, Any]], Answer]
    accumulator: Callable[[Mapping[str, Any], Any], Accumulator]

    def wrapper(self, original: Any) -> Callable[..., Any]:
        """Return the wrapper for this door that fits `original`: sync or async."""
        return self._wrap_async if inspect.iscoroutinefunction(original) else self._wrap_sync

    def _wrap_sync(self, wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        call = _Call(self, wrapped, args, kwargs)
        try:
            with call.span:
                result = wrapped(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        return call.deliver(result)

    async def _wrap_async(self, wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        call = _Call(self, wrapped, args, kwargs)
        try:
            with call.span:
                result = await wrapped(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            raise
        return call.deliver(result)


class _Call:
    """One call on its way through a door."""

    __slots__ = ("_arguments", "_door", "_unawaited", "span")

    def __init__(
        self, door: Door, wrapped: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self._door = door
        self._arguments: Mapping[str, Any] = kwargs
        self.span = CallSpan(f"litellm-{door.name}", door.span_type)
        if self.span.recording:
            with guard("reading a request"):
                self._arguments = _by_name(wrapped, args, kwargs)
                self.span.record(door.request(self._arguments))

    def deliver(self, result: Any) -> Any:
        """Return what the caller gets: `result`, or a proxy that ends the span later."""
        if self.span.recording:
            with guard("opening a stream"):
                if is_stream(result):
                    return self._stream(result)
                if inspect.iscoroutine(result):
                    return self._coroutine(result)
        answer = None
        if self.span.recording:
            with guard("reading an answer"):
                answer = self._door.answer(result, self._arguments)
        self.span.finish(answer)
        return result

    def fail(self, error: BaseException) -> None:
        """End the span: the call raised `error`."""
        answer = None
        if self.span.recording:
            with guard("reading a failure"):
                answer = self._door.failure(error, self._arguments)
        self.span.fail(error, answer, _Redaction(self._arguments, self._door.shown))

    def _stream(self, stream: Any) -> Any:
        # Not the messages: the stream may be kept long.
        kept = {key: value for key, value in self._arguments.items() if key != "messages"}
        accumulator = self._door.accumulator(kept, stream)
        redact = _Redaction(kept, self._door.shown)
        return traced_stream(stream, StreamRecord(self.span, accumulator, redact))

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
            with self.span:
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
