"""The protocols of a stream, class by class, are the same traced as untraced."""

from __future__ import annotations

import collections.abc
import contextlib
import copy
import itertools
import pickle
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import ANTHROPIC, AsyncCaller, SyncCaller, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from provider import LoopbackProvider
    from traces import Traces

INSTRUCT = "text-completion-openai/gpt-3.5-turbo-instruct"


class Streams:
    """Opens a stream of each kind that LiteLLM returns."""

    def __init__(self, provider: LoopbackProvider) -> None:
        self._sync, self._async = SyncCaller(provider), AsyncCaller(provider)
        self._base = provider.anthropic_base
        self._openai = {"api_base": provider.openai_base, "api_key": "none", "stream": True}

    def open(self, kind: str) -> Any:
        """Open a stream of a kind."""
        return getattr(self, kind)()

    def chat(self) -> Any:
        """Open a stream of ``completion``."""
        return self._sync.complete("one two three", stream=True)

    def achat(self) -> Any:
        """Open a stream of ``acompletion``."""
        return self._async.complete("one two three", stream=True)

    def text(self) -> Any:
        """Open a stream of ``text_completion``."""
        return litellm.text_completion("one two three", INSTRUCT, **self._openai)

    def atext(self) -> Any:
        """Open a stream of ``atext_completion``."""
        return self._run(litellm.atext_completion, "one two three", INSTRUCT, **self._openai)

    def response(self) -> Any:
        """Open a stream of ``responses``."""
        return litellm.responses("one two three", "openai/gpt-4o-mini", **self._openai)

    def aresponse(self) -> Any:
        """Open a stream of ``aresponses``."""
        return self._run(litellm.aresponses, "one two three", "openai/gpt-4o-mini", **self._openai)

    def amessage(self) -> Any:
        """Open a stream of ``anthropic.messages.acreate``."""
        return self._run(
            litellm.anthropic.messages.acreate,
            max_tokens=100,
            messages=user("one two three"),
            model=ANTHROPIC,
            stream=True,
            api_base=self._base,
            api_key="none",
        )

    def _run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._async.run(lambda: function(*args, **kwargs))

    def read(self, kind: str, stream: Any) -> list[Any]:
        """Read a stream of a kind to its end."""
        return (self._sync if kind in SYNC else self._async).read(stream)


SYNC = ("chat", "text", "response")
KINDS = (*SYNC, "achat", "atext", "aresponse", "amessage")
ABCS = [
    getattr(module, name)
    for module, names in (
        (collections.abc, collections.abc.__all__),
        (contextlib, ["AbstractContextManager", "AbstractAsyncContextManager"]),
    )
    for name in names
]
# Names that every object has, and names that a stream may define.
ASKED = {
    *dir(object), "__aenter__", "__aexit__", "__await__", "__bool__", "__call__", "__contains__",
    "__copy__", "__deepcopy__", "__enter__", "__exit__", "__getitem__", "__getstate__", "__len__",
    "__reversed__", "__setitem__", "__wrapped__", "aclose", "asend", "close", "send", "throw",
}  # fmt: skip


@pytest.fixture
def streams(provider: LoopbackProvider) -> Streams:
    """Return an object that opens streams and reads them."""
    return Streams(provider)


def outcome(call: Callable[[], Any]) -> Any:
    """Return the result of a call, or the type of its exception."""
    try:
        return call()
    except Exception as error:
        return type(error)


def message(call: Callable[[], Any]) -> str:
    """Return the text of a call's exception; empty if it raises nothing."""
    try:
        call()
    except Exception as error:
        return str(error)
    return ""


def wrapped(stream: Any) -> Any:
    """Return the stream itself, so that the test compares it with itself."""
    return stream


def protocols(stream: Any) -> dict[str, Any]:
    """Return the protocols of a stream, without reading it."""
    # copy.copy() leaves this name on the class of the copied object.
    names = set(dir(stream)) - {"__slotnames__"}
    return {
        "names": sorted(names),
        "has": sorted(name for name in ASKED | names if hasattr(stream, name)),
        "ABCs": [each.__name__ for each in ABCS if isinstance(stream, each)],
        "class": stream.__class__,
        "doc": stream.__doc__,
        "bool": outcome(lambda: bool(stream)),
        "len": outcome(lambda: len(stream)),
        "messages": [message(lambda: len(stream)), message(lambda: stream[0])],
        "callable": callable(stream),
        "hash": hash(stream) == hash(stream),
        "equal": (stream == wrapped(stream), stream == object(), stream != object()),
        "in itself": iter(stream) == stream if hasattr(stream, "__iter__") else None,
        "copy": type(outcome(lambda: copy.copy(stream))),
        "pickle": outcome(lambda: len(pickle.dumps(stream)) > 0),
        "reversed": outcome(lambda: bool(reversed(stream))),
        "item": outcome(lambda: stream[0]),
        "contains": "x" if not hasattr(stream, "__contains__") else outcome(lambda: 1 in stream),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_stream_has_the_protocols_of_litellms(kind: str, streams: Streams, traces: Traces) -> None:
    """A traced stream has the same protocols as an untraced one, and no other."""
    original = streams.open(kind)
    untraced = protocols(original)
    streams.read(kind, original)
    mlflow.litellm.autolog()
    stream = streams.open(kind)
    traced = protocols(stream)
    differing = {name: (traced[name], untraced[name]) for name in untraced}
    assert {name: pair for name, pair in differing.items() if pair[0] != pair[1]} == {}
    streams.read(kind, stream)
    assert len(traces.all()) == 1


def text(chunks: Any) -> list[str]:
    """Return the class names of chunks, which are the same in any two streams."""
    return [type(chunk).__name__ for chunk in chunks]


HALVES: dict[str, Callable[[Any], Any]] = {
    "one after the other": lambda stream: [text(half) for half in itertools.tee(stream)],
    "in step": lambda stream: [text(pair) for pair in zip(*itertools.tee(stream), strict=True)],
    "a slice, then the rest": lambda stream: [text(itertools.islice(stream, 2)), text(stream)],
    "a chain": lambda stream: text(itertools.chain([next(stream)], stream)),
    "next, then a loop": lambda stream: [text([next(stream)]), text(stream)],
}


@pytest.mark.parametrize("kind", SYNC)
@pytest.mark.parametrize("halve", HALVES)
def test_stream_is_divided_as_untraced(
    halve: str, kind: str, streams: Streams, traces: Traces
) -> None:
    """``itertools.tee`` copies a stream that has ``__copy__``, and would leave one half empty."""
    untraced = HALVES[halve](streams.open(kind))
    mlflow.litellm.autolog()
    assert HALVES[halve](streams.open(kind)) == untraced


@pytest.mark.parametrize("kind", SYNC)
def test_with_statement_works_if_it_does_untraced(
    kind: str, streams: Streams, traces: Traces
) -> None:
    """Code that reads OpenAI's and LiteLLM's streams looks for ``__enter__``."""

    def read() -> list[str]:
        stream = streams.open(kind)
        entered = stream if hasattr(stream, "__enter__") else contextlib.nullcontext(stream)
        with entered as chunks:
            return text(chunks)

    untraced = read()
    mlflow.litellm.autolog()
    assert read() == untraced
    assert len(traces.all()) == 1
