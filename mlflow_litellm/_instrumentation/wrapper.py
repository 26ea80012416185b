"""Trace one call: the sync and the async wrapper, and the class that both use."""

from __future__ import annotations

import inspect
import sys
import weakref
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from wrapt import FunctionWrapper

from mlflow_litellm._common.interruptions import release_locks
from mlflow_litellm._instrumentation import context, propagation
from mlflow_litellm._instrumentation.stream import is_stream, traced_stream
from mlflow_litellm._instrumentation.stream_state import LEFT_FOR_S, StreamRecord, open_streams
from mlflow_litellm._payloads.secret_values import Redaction
from mlflow_litellm._payloads.tools import has_mcp
from mlflow_litellm._tracing import privacy
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.health import Reason, counts
from mlflow_litellm._tracing.privacy import Content
from mlflow_litellm._tracing.span import CallSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from mlflow_litellm._instrumentation.target import Target
    from mlflow_litellm._payloads.base import Response

# The arguments that hold the input, for each kind of call that streams.
_MESSAGES = frozenset({"contents", "input", "messages", "prompt"})


def wrapper_for(target: Target, original: object) -> Callable[..., Any]:
    """
    Return the wrapper of a traced function: an async one if the function is async.

    Args:
        target: The traced function, from the table.
        original: LiteLLM's function.

    Returns:
        A wrapper that wrapt calls as ``wrapper(wrapped, instance, args, kwargs)``.
    """
    is_async = inspect.iscoroutinefunction(original)
    return partial(_call_async if is_async else _call_sync, target)


def _call_sync(
    target: Target, wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Any
) -> Any:
    if _is_internal_call(target, kwargs):
        return wrapped(*args, **_passed_on(target, kwargs))
    call = Call(target, kwargs)
    try:
        call.begin(wrapped, instance, args)
        with call.active:
            result = wrapped(*args, **call.kwargs_to_send(kwargs))
        return call.deliver(result)
    except BaseException as error:
        call.fail(error)
        raise


def _call_async(
    target: Target, wrapped: Any, instance: object, args: tuple[Any, ...], kwargs: Any
) -> Any:
    # Checked here, not in the coroutine: a task that runs the coroutine has another stack.
    if _is_internal_call(target, kwargs):
        return wrapped(*args, **_passed_on(target, kwargs))
    return _named_as(wrapped, _await(target, wrapped, instance, args, kwargs))


async def _await(
    target: Target, wrapped: Any, instance: object, args: tuple[Any, ...], kwargs: Any
) -> Any:
    call = Call(target, kwargs)
    try:
        call.begin(wrapped, instance, args)
        with call.active:
            result = await wrapped(*args, **call.kwargs_to_send(kwargs))
        return call.deliver(result)
    except BaseException as error:
        call.fail(error)
        raise


def _is_internal_call(target: Target, kwargs: Mapping[str, Any]) -> bool:
    with guard("looking for the current call"):
        # With this argument, acompletion() calls completion() in an executor.
        if kwargs.get("acompletion") is True or context.is_internal_call(target):
            counts.add_not_traced(Reason.INTERNAL)
            return True
    return False


def _passed_on(target: Target, kwargs: object) -> Any:
    """Return the arguments of an internal call. If it retries a call, each attempt is traced."""
    call = context.current_call()
    if call is not None and target.is_retry:
        with guard("tracing the attempts of a call"):
            attempt = replace(call.target, name=target.passes_to, passes_to=target.passes_to)
            return _with_traced_attempts(attempt, call, kwargs)
    return kwargs


def _with_traced_attempts(attempt: Target, call: context.CallContext, kwargs: Any) -> Any:
    """
    Return the arguments of a retry, changed so that each attempt is traced.

    The first attempt was the call itself; its span is made now, with the start time of the call.
    """
    call.is_retried = True
    error = sys.exc_info()[1]
    if error is not None and not call.inner_targets:
        call.inner_targets.append(attempt)
        first = Call(attempt, kwargs, call.span)
        try:
            first.begin(None, None, ())
        finally:
            first.fail(error)
    function = kwargs.get("original_function")
    if function is None:
        return kwargs
    traced = FunctionWrapper(function, wrapper_for(attempt, function))
    return {**kwargs, "original_function": traced}


class Call:
    """One call of a traced function."""

    __slots__ = ("_arguments", "_outer", "_target", "_unawaited", "active", "context", "span")

    def __init__(
        self, target: Target, kwargs: Mapping[str, Any], since: CallSpan | None = None
    ) -> None:
        self._target = target
        self._arguments: Mapping[str, Any] = kwargs
        with guard("ending streams that were left"):
            open_streams.abandon_left(idle_s=LEFT_FOR_S)
        self._outer = context.current_call()
        self.span = CallSpan(target.span_name, target.span_type, since)
        # Until the call's own switches for content have been read.
        self.span.content = Content.REDACTED
        self.context = context.CallContext(self.span, target, self._outer)
        self.active = context.INACTIVE

    def begin(
        self, wrapped: object = None, instance: object = None, args: tuple[Any, ...] = ()
    ) -> None:
        """Start the span, and record the request."""
        context.started(self.span, self._outer)
        self.active = self.context.active()
        if self.span.recording:
            with guard("reading a request"):
                self._arguments = _by_name(self._target, wrapped, args, self._arguments)
                self._obey_switches()
                self._read_request(instance)

    def _read_request(self, instance: object) -> None:
        request = self._target.kind.request(self._arguments)
        if self._target.is_composite:
            request.attributes.update(context.composite_attributes(instance, self._arguments))
        if self._outer is not None:
            self._outer.add_inner_request(self._target, request)
        if has_mcp(self._arguments.get("tools")):
            # The turns have the tokens, although the call returns none of their results as its own.
            self.context.runs_tools = self.context.usage_is_below = True
        # A deployment may turn the logging of its calls off.
        self.span.record(request, tags_trace=not self._target.is_composite)

    def _obey_switches(self) -> None:
        last = context.last_call()
        content = privacy.allowed(self._arguments)
        self.span.content = min(content, last.span.content) if last else content
        self.span.withheld = last.span.withheld if last else None
        if self._outer is not None:
            self._outer.restrict(content)

    def kwargs_to_send(self, kwargs: Any) -> Any:
        """Return the keyword arguments for LiteLLM's function, with a traceparent if needed."""
        if self._target.is_composite or not self.span.recording:
            return kwargs
        return propagation.with_traceparent(self._target.kind, self._arguments, kwargs)

    def deliver(self, result: object) -> Any:
        """End the span and return `result`. For a stream, return a proxy that ends the span."""
        if not self.span.recording:
            self.context.is_open = False
            return result
        if inspect.iscoroutine(result):
            with guard("waiting for a coroutine"):
                return self._coroutine(result)
        self.context.resolve_outcome(result)
        delivered = self._delivered(result)
        if self._outer is not None:
            self._outer.add_inner_result(delivered)
        return delivered

    def _delivered(self, result: object) -> Any:
        if _is_mock(result):
            self._end(None)
            return result
        with guard("opening a stream"):
            if is_stream(result) and (proxy := self._stream(result)) is not None:
                return proxy
        response = None
        with guard("reading a response"):
            response = self._read(result)
        self._end(response)
        return result

    def _read(self, result: object) -> Response:
        return self._target.kind.parse_response(result, self._arguments)

    def fail(self, error: BaseException) -> None:
        """End the span: the call raised `error`, or an interruption did."""
        # An interruption while the span is made current or not current may leave it current.
        self.active.restore()
        try:
            with guard("releasing the locks of an interrupted call"):
                release_locks(error)
            self._fail(error)
        except BaseException as interruption:
            self.span.fail(interruption, None, self._redaction(self._arguments))
            raise

    def _fail(self, error: BaseException) -> None:
        if not self.span.recording:
            self.context.is_open = False
            return
        self.context.resolve_outcome(error)
        self.context.usage_is_below |= bool(self.context.inner_targets)
        response = None
        with guard("reading a failure"):
            response = self._target.kind.failure(error, self._arguments)
        self._end(response, error)

    def _end(self, response: Response | None, error: BaseException | None = None) -> None:
        error = error or (response.error if response is not None else None)
        redact = self._redaction(self._arguments) if error is not None else str
        self.context.close(response, error, redact)

    def _redaction(self, arguments: Mapping[str, Any]) -> Redaction:
        allowed = self._target.kind.recorded
        redaction = Redaction(arguments, allowed, self.context.redactions)
        if self._outer is not None:
            self._outer.redactions.append(redaction)
        return redaction

    def _stream(self, stream: object) -> Any:
        # Without the messages: the caller may keep the stream for long.
        kept = {key: value for key, value in self._arguments.items() if key not in _MESSAGES}
        accumulator = self._target.kind.accumulate(kept, stream)
        if accumulator is None:
            return None
        record = StreamRecord(self.context, accumulator, self._redaction(kept))
        is_custom = context.is_custom_stream(stream, kept)
        return traced_stream(stream, self.context, record, is_custom=is_custom)

    def _coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Trace a coroutine that a sync call returned, as calls with MCP tools do."""
        awaited = self._awaited(coroutine)
        # If the coroutine is never awaited, its span must end as well.
        self._unawaited = weakref.finalize(awaited, self.span.finish)
        self._unawaited.atexit = False
        return awaited

    async def _awaited(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        # The result may be a stream, which lives longer than the coroutine.
        self._unawaited.detach()
        self.active = self.context.active()
        try:
            with self.active:
                result = await coroutine
            return self.deliver(result)
        except BaseException as error:
            self.fail(error)
            raise


def _named_as(function: Any, coroutine: Any) -> Any:
    """Return a coroutine with a function's name, for warnings, tasks and debuggers."""
    # A mock that replaces a function may have another name, or none.
    name, qualname = getattr(function, "__name__", None), getattr(function, "__qualname__", None)
    if type(name) is str and type(qualname) is str:
        coroutine.__name__, coroutine.__qualname__ = name, qualname
    return coroutine


def _is_mock(result: object) -> bool:
    """Return whether the result is a test's mock, which would count each access to it."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and issubclass(type(result), mock.NonCallableMock)


def _by_name(
    target: Target, wrapped: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the arguments by name. acompletion and completion differ in their positional order."""
    if not args:
        return kwargs
    named_by = target.named_by(wrapped)
    function = getattr(named_by, "__func__", named_by)
    names = _parameters(function)[0 if function is named_by else 1 :] or target.positional
    return {**dict(zip(names, args, strict=False)), **kwargs}


_GIVEN_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


# Reading LiteLLM's signature takes 60 us.
@lru_cache(maxsize=64)
def _parameters(function: Any) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    return tuple(each.name for each in parameters if each.kind in _GIVEN_BY_POSITION)
