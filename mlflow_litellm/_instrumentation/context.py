"""
Find the call that an inner call belongs to: LiteLLM makes inner calls within some calls.

LiteLLM bridges a kind of call that a provider lacks to one that it has, tries deployments and
fallbacks one after the other, and runs models and tools in turns. A bridged call has one span. Each
attempt and each turn has a span of its own, below the span of the user's call.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._common import attributes as names
from mlflow_litellm._common.interruptions import let_through
from mlflow_litellm._common.patching import holder_of
from mlflow_litellm._instrumentation.callers import LIBRARIES_OF_LITELLM, litellm_caller
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token

    from mlflow_litellm._instrumentation.target import Target
    from mlflow_litellm._payloads.base import Request, Response
    from mlflow_litellm._tracing.privacy import Content
    from mlflow_litellm._tracing.span import ActiveSpan, CallSpan


# LiteLLM's names of the verdicts that may end a request.
STOPPING = frozenset({"guardrail_failed_to_respond", "guardrail_intervened"})


class CallContext:
    """
    A call that is under way, with the data that its inner calls need.

    Attributes:
        span: The span of the call.
        target: The traced function that was called.
        outer: The call that this call is made for, or None.
        is_open: Whether the call has not ended yet.
        is_streaming: Whether the call returned a stream. Its span is then not current while the
            stream makes calls: making it current for each chunk takes longer than all the rest.
        usage_is_below: Whether the inner calls reached the models, and have the tokens and cost.
        inner_targets: The targets of the inner calls of the same kind that LiteLLM made.
        groups: The model groups that Router tried, in order.
        is_retried: Whether the inner calls are attempts at the same call.
        runs_tools: Whether LiteLLM runs tools of MCP servers between calls of a model.
        cancelled_by: The cause of a cancellation, such as a guardrail; empty if unknown.
        redactions: Functions that redact the secrets of the inner calls in a text: an exception of
            an inner call may be raised by this call as well.
    """

    __slots__ = (
        "_results",
        "cancelled_by",
        "groups",
        "inner_targets",
        "is_open",
        "is_retried",
        "is_streaming",
        "outer",
        "redactions",
        "runs_tools",
        "span",
        "target",
        "usage_is_below",
    )

    def __init__(self, span: CallSpan, target: Target, outer: CallContext | None = None) -> None:
        self.span = span
        self.target = target
        self.outer = outer
        self.is_open = True
        self.is_streaming = False
        self.usage_is_below = target.is_composite
        self.is_retried = target.is_retry
        self.runs_tools = False
        self.cancelled_by = ""
        # Lists, as the calls of a batch come from many threads.
        self.inner_targets: list[Target] = []
        self.groups: list[str] = []
        self.redactions: list[Any] = []
        self._results: list[Any] | None = []

    def is_below(self, other: CallContext) -> bool:
        """Return whether the call was made for another."""
        call = self.outer
        while call is not None and call is not other:
            call = call.outer
        return call is other

    def restrict(self, content: Content) -> None:
        """Record no more than `content` of this call and of its outer calls."""
        call: CallContext | None = self
        while call is not None and call.span.content > content:
            call.span.content = content
            call = call.outer

    def add_inner_request(self, target: Target, request: Request) -> None:
        """Record the model group of the request of an inner call."""
        group = request.attributes.get(names.MODEL_GROUP)
        if group and not target.is_composite and group not in self.groups:
            self.groups.append(group)

    def cause_of(self, error: BaseException) -> str:
        """Return the cause that cancelled this call or an outer call; empty if unknown."""
        if not isinstance(error, CancelledError):
            return ""
        call: CallContext | None = self
        while call is not None and not call.cancelled_by:
            call = call.outer
        return call.cancelled_by if call is not None else ""

    def add_guardrail(self, name: str, mode: str, status: str) -> None:
        """Record the verdict of a guardrail that ran for the call."""
        if status in STOPPING:
            self.cancelled_by = f"{status}: {name} ({mode})"

    def record_late(self, status: str, record: Callable[[], None]) -> None:
        """
        Record a guardrail that ran after the call had ended, if an outer call is still open.

        Args:
            status: The verdict of the guardrail.
            record: Makes a span below the current one.
        """
        if self.outer is not None:
            self.outer.record_late(status, record)

    def add_lost_stream(self, error: BaseException) -> None:
        """Record that the stream of an inner call broke; its reader may not see the error."""

    def add_inner_result(self, result: object) -> None:
        """Record the result of an inner call, which this call may return as its own."""
        if self._results is not None:
            self._results.append(result)

    def resolve_outcome(self, result: object) -> None:
        """Set `usage_is_below` if this call returns or raises the result of an inner call."""
        # The list is dropped: a stream must not be held here.
        results, self._results = self._results or [], None
        # The response of a helper, such as a judge, is not the response of this call.
        self.usage_is_below |= any(result is each for each in results)

    def close(
        self,
        response: Response | None,
        error: BaseException | None = None,
        redact: Callable[[str], str] = str,
        finish: Callable[[Response | None], None] | None = None,
    ) -> None:
        """
        End the call and its span.

        Args:
            response: The response, if any.
            error: The exception that the call raised, if any.
            redact: Redacts the secrets in a text of the exception.
            finish: Ends the span of a call without an error; None for `CallSpan.finish`.
        """
        self.is_open = False
        if response is not None:
            with guard("recording inner calls"):
                _record_inner_calls(response, self)
        if error is not None:
            self.span.fail(error, response, redact, self.cause_of(error))
        elif finish is not None:
            finish(response)
        else:
            self.span.finish(response)
        self._release()

    def _release(self) -> None:
        """
        Drop the arguments of inner calls, after the span has ended.

        LiteLLM's threads and tasks may keep copies of the context for long. The arguments hold
        exceptions, and the frames of an exception hold the caller's objects.
        """
        # Not clear(): the outer call may still need the list.
        self.redactions = []

    def active(self) -> Active:
        """Return a context manager that makes this the current call, and its span current."""
        # MLflow takes 10 us to make a span current, even one that is in no trace.
        return Active(self, self.span.active()) if self.span.in_trace else INACTIVE


def started(span: CallSpan, outer: CallContext | None) -> CallSpan:
    """Start the span of a call below the call `outer`, if there is one; return the span."""
    if outer is None or not outer.is_streaming:
        return span.start()
    # In a copy of the context, so the span need not be made inactive again.
    return copy_context().run(_started_below, span, outer)


def _started_below(span: CallSpan, outer: CallContext) -> CallSpan:
    outer.span.active().__enter__()
    return span.start()


class Active:
    """Make a call the current call, and its span the current span, in this context only."""

    __slots__ = ("_call", "_span", "_token")

    def __init__(self, call_context: CallContext, span: ActiveSpan) -> None:
        self._call = call_context
        self._span = span
        self._token: Token[CallContext | None] | None = None

    def __enter__(self) -> None:
        self._span.__enter__()
        self._token = current.set(self._call)

    def __exit__(self, *_: object) -> None:
        # The token is dropped last: if this is interrupted, restore() uses it.
        if self._token is not None:
            _reset(self._token)
            self._token = None
        self._span.__exit__()

    def restore(self) -> None:
        """Make the call and its span not current, if entering or leaving was interrupted."""
        if self._token is not None:
            _reset(self._token)
            self._token = None
        self._span.restore()


class _Inactive(Active):
    """Change nothing."""

    def __init__(self) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def restore(self) -> None: ...


INACTIVE: Active = _Inactive()


def _reset(token: Token[CallContext | None]) -> None:
    try:
        current.reset(token)
    # The garbage collector may close a generator in another context than the one it was entered
    # in. An interrupted exit may have used the token already.
    except (RuntimeError, ValueError) as error:
        let_through(error)


# Streams read and set the variable directly: a function call takes longer than that.
current: ContextVar[CallContext | None] = ContextVar("mlflow_litellm_call", default=None)


def restore(call: CallContext, before: CallContext | None) -> None:
    """Make `before` the current call again, after a chunk of the stream of `call` was read."""
    # The garbage collector may close a stream in another context than the one it was entered in.
    if current.get() is call:
        current.set(before)


def current_call() -> CallContext | None:
    """Return the innermost call of this context if it is still open, or None."""
    call = current.get()
    return call if call is not None and call.is_open else None


def last_call() -> CallContext | None:
    """Return the innermost call of this context, which may have ended."""
    return current.get()


def call_has_ended() -> bool:
    """Return whether the innermost call of this context has ended, as in a background task."""
    call = current.get()
    return call is not None and not call.is_open


def is_internal_call(target: Target) -> bool:
    """
    Return whether the present call is internal: part of the current call, without its own span.

    Call this in the thread or task that makes the call, because the stack is read. If the stack
    cannot be read, the result is False. An inner call of the same kind is added to the
    `inner_targets` of the current call.

    Args:
        target: The traced function that is called.
    """
    outer = current_call()
    if outer is None or not _is_by_litellm(target):
        return False
    if target.is_composite and not outer.target.is_composite:
        # The inner calls of the composite call are traced instead.
        return True
    if outer.target.kind is target.kind:
        outer.inner_targets.append(target)
        return False
    return target.may_be_bridged and not outer.target.is_composite


def _is_by_litellm(target: Target) -> bool:
    def functions(frame: Any) -> list[Any]:
        litellm = sys.modules["litellm"]
        holder, name = holder_of(litellm, target.name)
        last = name.rpartition(".")[2]
        return [vars(holder).get(last), vars(litellm).get(last), frame.f_globals.get(last)]

    # LiteLLM submits some functions to a thread directly. The stack of such a thread has no code
    # of LiteLLM's, but only LiteLLM's threads run `run_below`.
    return (
        litellm_caller(functions, through=LIBRARIES_OF_LITELLM, thread_function=run_below)
        is not None
    )


def run_below(
    call: CallContext, function: Callable[..., Any], /, *args: object, **kwargs: object
) -> Any:
    """Run a function in the context of a call, in a thread that LiteLLM gave no context."""
    with call.active():
        return function(*args, **kwargs)


def composite_attributes(instance: object, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the span attributes of a composite call: for Router, its model group and strategy.

    Args:
        instance: The router, or None.
        arguments: The call's arguments by name.
    """
    strategy = _strategy(instance)
    if strategy is None:
        return {}
    fields = {
        names.MODEL_GROUP: arguments.get("model"),
        names.ROUTING_STRATEGY: to_jsonable(strategy),
    }
    return {key: value for key, value in fields.items() if isinstance(value, str)}


def _strategy(router: object) -> Any:
    """Return a router's strategy. Since LiteLLM 1.110, it is one of the router's settings."""
    settings = getattr(router, "settings", None)
    return getattr(settings() if callable(settings) else router, "routing_strategy", None)


def is_custom_stream(stream: object, arguments: Mapping[str, Any]) -> bool:
    """
    Return whether a stream comes from a custom provider, whose code may make calls at each chunk.

    Args:
        stream: The stream as LiteLLM made it.
        arguments: The call's arguments by name.
    """
    handlers = getattr(sys.modules["litellm"], "custom_provider_map", None)
    if not handlers:
        return False
    prefix = str(arguments.get("model")).partition("/")[0]
    argument = arguments.get("custom_llm_provider")
    providers = {getattr(stream, "custom_llm_provider", None), argument, prefix}
    return any(handler["provider"] in providers for handler in handlers)


def _record_inner_calls(response: Response, call: CallContext) -> None:
    """
    Record the number of inner calls, and remove tokens and cost if the inner calls have them.

    Each inner call records its own, also one that failed after a part of its response.
    """
    if not call.inner_targets:
        return
    response.attributes[names.INNER_CALLS] = len(call.inner_targets)
    if call.is_retried:
        response.attributes.setdefault(names.ATTEMPTED_RETRIES, len(call.inner_targets) - 1)
    if groups := call.groups:
        response.attributes[names.MODEL_GROUPS] = groups
        # LiteLLM returns these counts, but not for a call that failed.
        response.attributes.setdefault(names.ATTEMPTED_FALLBACKS, len(groups) - 1)
        response.attributes.setdefault(
            names.ATTEMPTED_RETRIES, len(call.inner_targets) - len(groups)
        )
    if call.usage_is_below:
        _drop_usage(response)
        if not call.target.is_composite:
            call.span.set_type(SpanType.CHAIN)


def _drop_usage(response: Response) -> None:
    response.usage = response.cost = None
    response.token_details, response.usage_is_estimate = {}, False
