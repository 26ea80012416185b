"""
Which call an inner call is part of: LiteLLM answers some calls by making others.

It bridges a kind of call that a provider lacks to one that it has, tries deployments and
fallbacks one after the other, and runs models and tools in turns. The first is one call; of the
others each is a call of its own, below the one that the user made.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._common.interruptions import let_through
from mlflow_litellm._common.patching import holder_of
from mlflow_litellm._instrumentation.callers import LIBRARIES_OF_LITELLM, litellm_caller
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token

    from mlflow_litellm._instrumentation.target import Target
    from mlflow_litellm._payloads.base import Request, Response
    from mlflow_litellm._tracing.privacy import Content
    from mlflow_litellm._tracing.span import ActiveSpan, CallSpan


# LiteLLM's words for the verdicts that may end a request.
STOPPING = frozenset({"guardrail_failed_to_respond", "guardrail_intervened"})


class CallContext:
    """
    A call that is under way, as inner calls see it.

    Attributes:
        span: Its span.
        door: The door that it came through.
        outer: The call that it is made for, if any.
        is_open: Whether it has yet to end.
        is_streaming: Whether it gave a stream. Its span is then not current while the stream makes
            calls: to make it so for each chunk takes longer than all the rest.
        is_composite: Whether the calls below it are what reached models, and have the tokens.
        steps: The doors of the calls of its own kind that LiteLLM made for it.
        groups: The model groups that Router tried for it, in order.
        is_retried: Whether the steps are attempts at the same.
        runs_tools: Whether LiteLLM runs tools of MCP servers for it, between calls of a model.
        cancelled_by: What ended it from outside, such as a guardrail; empty if nothing is known.
        redactions: What takes the secrets of the calls below it out of a text: an exception of
            theirs may be this call's as well.
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
        """Have no more than `content` recorded of the call and of those that it is part of."""
        call: CallContext | None = self
        while call is not None and call.span.content > content:
            call.span.content = content
            call = call.outer

    def add_inner_request(self, target: Target, request: Request) -> None:
        """Note what is asked for in a call that is made for this one."""
        group = request.attributes.get("model_group")
        if group and not target.is_composite and group not in self.groups:
            self.groups.append(group)

    def cause_of(self, error: BaseException) -> str:
        """Return what cancelled the call or one that it is part of; empty if nothing is known."""
        if not isinstance(error, CancelledError):
            return ""
        call: CallContext | None = self
        while call is not None and not call.cancelled_by:
            call = call.outer
        return call.cancelled_by if call is not None else ""

    def add_guardrail(self, name: str, mode: str, status: str) -> None:
        """Note the verdict of a guardrail that ran for the call."""
        if status in STOPPING:
            self.cancelled_by = f"{status}: {name} ({mode})"

    def record_late(self, status: str, record: Callable[[], None]) -> None:
        """
        Record what ran for the call after it had ended, if what it is part of is still open.

        Args:
            status: The verdict of a guardrail.
            record: Makes a span below the current one.
        """
        if self.outer is not None:
            self.outer.record_late(status, record)

    def add_lost_stream(self, error: BaseException) -> None:
        """Note that a stream of a call made for this one broke, of which a reader may not hear."""

    def add_inner_result(self, result: Any) -> None:
        """Note what a step gave, which may be what this call gives."""
        if self._results is not None:
            self._results.append(result)

    def resolve_outcome(self, result: Any) -> None:
        """Note what this call gives or raises. A stream is read on, and must not be held here."""
        results, self._results = self._results or [], None
        # A helper's answer, such as a judge's, is not the call's own.
        self.usage_is_below |= any(result is given for given in results)

    def release(self) -> None:
        """
        Let the arguments of inner calls go, after the span has ended.

        LiteLLM's threads and tasks keep copies of the context for as long as they like, and the
        arguments hold exceptions, whose frames hold the caller's own objects.
        """
        # Not clear(): the enclosing call may have yet to use the list.
        self.redactions = []

    def active(self) -> Active:
        """Return a context manager that makes this the enclosing call, and its span current."""
        # MLflow takes 10 us to make a span current, even one that is none.
        return Active(self, self.span.active()) if self.span.in_trace else INACTIVE


def started(span: CallSpan, outer: CallContext | None) -> CallSpan:
    """Start the span of a call that is made for another, if any; return it."""
    if outer is None or not outer.is_streaming:
        return span.start()
    # In a context of its own, which need not be left.
    return copy_context().run(_started_below, span, outer)


def _started_below(span: CallSpan, outer: CallContext) -> CallSpan:
    outer.span.active().__enter__()
    return span.start()


class Active:
    """Makes a call the enclosing one, and its span the current one, in this context only."""

    __slots__ = ("_call", "_span", "_token")

    def __init__(self, call_context: CallContext, span: ActiveSpan) -> None:
        self._call = call_context
        self._span = span
        self._token: Token[CallContext | None] | None = None

    def __enter__(self) -> None:
        self._span.__enter__()
        self._token = current.set(self._call)

    def __exit__(self, *_: object) -> None:
        # Forgotten only then: left again, if this is interrupted.
        if self._token is not None:
            _reset(self._token)
            self._token = None
        self._span.__exit__()

    def restore(self) -> None:
        """Leave it for good, if entering or leaving it was interrupted."""
        if self._token is not None:
            _reset(self._token)
            self._token = None
        self._span.restore()


class _Inactive(Active):
    """Leaves all as it is."""

    def __init__(self) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def restore(self) -> None: ...


INACTIVE: Active = _Inactive()


def _reset(token: Token[CallContext | None]) -> None:
    try:
        current.reset(token)
    # What the collector closes is left in another context than it was entered in. The token may
    # have been used, by what was interrupted then.
    except (RuntimeError, ValueError) as error:
        let_through(error)


# Read and set by itself where streams are read, as a function takes longer than that.
current: ContextVar[CallContext | None] = ContextVar("mlflow_litellm_enclosing", default=None)


def leave(call: CallContext, before: CallContext | None) -> None:
    """Make `before` the enclosing call again, after a chunk of another call's stream was read."""
    # What the collector closes is left in another context than it was entered in.
    if current.get() is call:
        current.set(before)


def current_call() -> CallContext | None:
    """Return the innermost call that is under way in this context."""
    call = current.get()
    return call if call is not None and call.is_open else None


def last() -> CallContext | None:
    """Return the innermost call of this context, which may have ended."""
    return current.get()


def call_has_ended() -> bool:
    """Tell whether the context is that of a call that has ended, as a task may have it."""
    call = current.get()
    return call is not None and not call.is_open


def is_internal_call(target: Target) -> bool:
    """
    Tell whether the call now being made is LiteLLM's way to make the enclosing one.

    To be asked where the call is made, as it is told by the stack; where that cannot be read, no
    call is. Counts the call as a step of the enclosing one, where it is that.

    Args:
        door: The door that the call comes through.
    """
    outer = current_call()
    if outer is None or not _is_by_litellm(target):
        return False
    if target.is_composite and not outer.target.is_composite:
        # What it makes are the steps.
        return True
    if outer.target.payload is target.payload:
        outer.inner_targets.append(target)
        return False
    return target.may_be_bridged and not outer.target.is_composite


def _is_by_litellm(target: Target) -> bool:
    def functions(frame: Any) -> list[Any]:
        litellm = sys.modules["litellm"]
        holder, name = holder_of(litellm, target.name)
        last = name.rpartition(".")[2]
        return [vars(holder).get(last), vars(litellm).get(last), frame.f_globals.get(last)]

    # LiteLLM gives some functions to a thread as they are. Such a thread has no code of LiteLLM's
    # on its stack, and only LiteLLM's threads run this function.
    return (
        litellm_caller(functions, through=LIBRARIES_OF_LITELLM, thread_function=run_below)
        is not None
    )


def run_below(call: CallContext, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run a function that LiteLLM gave to a thread without the context of the call."""
    with call.active():
        return function(*args, **kwargs)


_COUNTED = ("response_cost", "reasoning_tokens", "input_audio_tokens", "output_audio_tokens")


def composite_attributes(instance: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the span attributes of a route: of Router, its model group and strategy.

    Args:
        owner: The router, or None.
        arguments: The call's arguments by name.
    """
    strategy = _strategy(instance)
    if strategy is None:
        return {}
    fields = {"model_group": arguments.get("model"), "routing_strategy": to_jsonable(strategy)}
    return {key: value for key, value in fields.items() if isinstance(value, str)}


def _strategy(router: Any) -> Any:
    """Return a router's strategy; since LiteLLM 1.110 it is one of the settings."""
    settings = getattr(router, "settings", None)
    return getattr(settings() if callable(settings) else router, "routing_strategy", None)


def is_custom_stream(stream: Any, arguments: Mapping[str, Any]) -> bool:
    """
    Tell whether a stream comes from a user's own provider, which may make calls while it is read.

    Args:
        stream: The stream as LiteLLM made it.
        arguments: The call's arguments by name.
    """
    handlers = getattr(sys.modules["litellm"], "custom_provider_map", None)
    if not handlers:
        return False
    prefix = str(arguments.get("model")).partition("/")[0]
    given = arguments.get("custom_llm_provider")
    providers = {getattr(stream, "custom_llm_provider", None), given, prefix}
    return any(handler["provider"] in providers for handler in handlers)


def record_inner_calls(response: Response, route: CallContext) -> None:
    """
    Note how many calls were made for one, and leave tokens and cost to them.

    Each has its own, those that failed after a part of the answer among them.
    """
    if not route.inner_targets:
        return
    response.attributes["inner_calls"] = len(route.inner_targets)
    if route.is_retried:
        response.attributes.setdefault("attempted_retries", len(route.inner_targets) - 1)
    if groups := route.groups:
        response.attributes["model_groups"] = groups
        # LiteLLM tells these itself, but not of a call that failed.
        response.attributes.setdefault("attempted_fallbacks", len(groups) - 1)
        response.attributes.setdefault("attempted_retries", len(route.inner_targets) - len(groups))
    if route.usage_is_below:
        _leave_tokens(response)
        if not route.target.is_composite:
            route.span.set_type(SpanType.CHAIN)


def _leave_tokens(response: Response) -> None:
    response.usage = response.cost = None
    for name in _COUNTED:
        response.attributes.pop(name, None)
