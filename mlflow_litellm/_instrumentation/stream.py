"""
The transparent proxy of a stream, which records the chunks that are read and the stream's end.

The proxy has the protocols of its stream, and no others: code checks whether a stream is a context
manager, and whether it can be closed, copied or counted. So there is one class of proxies for each
name and set of special methods.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from mlflow_litellm._instrumentation import context
from mlflow_litellm._instrumentation.stream_state import open_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_litellm._instrumentation.context import CallContext
    from mlflow_litellm._instrumentation.stream_state import StreamRecord


def is_stream(result: object) -> bool:
    """Return whether a result is read in chunks. Its type decides, not ``stream=``."""
    return hasattr(type(result), "__next__") or hasattr(type(result), "__anext__")


def traced_stream(
    stream: object, call: CallContext, record: StreamRecord, *, is_custom: bool = False
) -> Any:
    """
    Return a proxy of `stream` that records what is read and ends the span once.

    Args:
        stream: The stream as LiteLLM made it.
        call: The call that opened the stream.
        record: The record of the stream.
        is_custom: Whether the stream runs the user's code, which may read the current span.
    """
    call.is_streaming = not is_custom
    proxy = _class_for(type(stream))(stream, call, record, is_custom=is_custom)
    open_streams.add(record)
    return proxy


class _Stream:
    """
    A proxy that looks like LiteLLM's stream to ``isinstance`` and every attribute.

    A loop over it reads through a second proxy, which lives as long as the loop and holds the
    first one. So ``break`` ends the span at once, unless the stream itself is kept.

    Not a ``wrapt.ObjectProxy``: that has every special method, also those that the stream lacks.
    """

    __slots__ = (
        "__weakref__",
        "_self_call",
        "_self_is_custom",
        "_self_read_before",
        "_self_record",
        "_self_source",
        "_self_stream",
    )

    _self_stream: Any
    _self_call: CallContext
    _self_record: StreamRecord
    _self_is_custom: bool
    _self_source: Any
    _self_read_before: int

    def __init__(
        self,
        stream: object,
        call: CallContext,
        record: StreamRecord,
        *,
        is_custom: bool,
        source: object = None,
    ) -> None:
        own = object.__setattr__
        own(self, "_self_stream", stream)
        own(self, "_self_call", call)
        own(self, "_self_record", record)
        own(self, "_self_is_custom", is_custom)
        own(self, "_self_source", source)
        # Set last: if it is missing, `__init__` was interrupted.
        own(self, "_self_read_before", record.chunks)

    def __del__(self) -> None:
        if not _is_made(self):
            return
        record = self._self_record
        if self._self_source is None:
            open_streams.drop(record)
        # Some libraries call iter() only to check that it works. That is no loop.
        elif record.chunks != self._self_read_before:
            open_streams.leave(record)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # Not type(): a Router's stream may be the proxy of its attempt's stream.
        kind: type = self._self_stream.__class__
        return kind

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return self._self_stream.__dict__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._self_stream, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._self_stream, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._self_stream, name)

    def __dir__(self) -> list[str]:
        return dir(self._self_stream)

    def __repr__(self) -> str:
        return repr(self._self_stream)

    def __str__(self) -> str:
        return str(self._self_stream)

    def __eq__(self, other: object) -> bool:
        if issubclass(type(other), _Stream):
            other = object.__getattribute__(other, "_self_stream")
        return bool(self._self_stream == other)

    def __hash__(self) -> int:
        return hash(self._self_stream)

    def __reduce_ex__(self, protocol: object) -> Any:
        return self._self_stream.__reduce_ex__(protocol)


def _is_made(stream: _Stream) -> bool:
    try:
        object.__getattribute__(stream, "_self_read_before")
    except AttributeError:
        return False
    return True


def _loop(self: _Stream, begin: Callable[[Any], Any]) -> Any:
    if self._self_source is not None:
        return self
    # Not the stream itself: for some streams of LiteLLM, iter() returns another object.
    iterator = begin(self._self_stream)
    new = _class_for(type(iterator))
    return new(
        iterator,
        self._self_call,
        self._self_record,
        is_custom=self._self_is_custom,
        source=self,
    )


def _iter(self: _Stream) -> Any:
    return _loop(self, iter)


def _aiter(self: _Stream) -> Any:
    return _loop(self, aiter)


def _next(self: _Stream) -> Any:
    record = self._self_record
    call = self._self_call
    # Calls that the stream makes while it is read are children of its call.
    before = context.current.get()
    try:
        context.current.set(call)
        record.is_left = False
        try:
            if self._self_is_custom:
                chunk = context.run_below(call, self._self_stream.__next__)
            else:
                chunk = self._self_stream.__next__()
        except StopIteration:
            context.restore(call, before)
            record.finish()
            raise
        context.restore(call, before)
        record.add(chunk)
        return chunk
    except StopIteration:
        raise
    except BaseException as error:
        context.restore(call, before)
        record.fail(error)
        raise


async def _anext(self: _Stream) -> Any:
    record = self._self_record
    call = self._self_call
    before = context.current.get()
    try:
        context.current.set(call)
        record.is_left = False
        try:
            if self._self_is_custom:
                with call.active():
                    chunk = await self._self_stream.__anext__()
            else:
                chunk = await self._self_stream.__anext__()
        except StopAsyncIteration:
            context.restore(call, before)
            record.finish()
            raise
        context.restore(call, before)
        record.add(chunk)
        return chunk
    except StopAsyncIteration:
        raise
    except BaseException as error:
        context.restore(call, before)
        record.fail(error)
        raise


def _close(self: _Stream) -> Any:
    try:
        return self._self_stream.close()
    finally:
        self._self_record.abandon()


async def _aclose(self: _Stream) -> Any:
    try:
        return await self._self_stream.aclose()
    finally:
        self._self_record.abandon()


def _enter(self: _Stream) -> Any:
    entered = self._self_stream.__enter__()
    return self if entered is self._self_stream else entered


def _exit(self: _Stream, *details: object) -> Any:
    try:
        return self._self_stream.__exit__(*details)
    finally:
        self._self_record.abandon()


async def _aenter(self: _Stream) -> Any:
    entered = await self._self_stream.__aenter__()
    return self if entered is self._self_stream else entered


async def _aexit(self: _Stream, *details: object) -> Any:
    try:
        return await self._self_stream.__aexit__(*details)
    finally:
        self._self_record.abandon()


# The methods that read or end a stream.
_RECORDED: dict[str, Callable[..., Any]] = {
    "__iter__": _iter,
    "__next__": _next,
    "__aiter__": _aiter,
    "__anext__": _anext,
    "close": _close,
    "aclose": _aclose,
    "__enter__": _enter,
    "__exit__": _exit,
    "__aenter__": _aenter,
    "__aexit__": _aexit,
}
# Special methods that concern a class and its instances, and those that each proxy has.
_NOT_PASSED_ON = frozenset({
    "__class_getitem__", "__getattr__", "__init_subclass__", "__post_init__", "__subclasshook__",
    *dir(object), *vars(_Stream),
})  # fmt: skip
_by_type: weakref.WeakKeyDictionary[type, type[_Stream]] = weakref.WeakKeyDictionary()
_by_names: dict[tuple[str, frozenset[str]], type[_Stream]] = {}


def _class_for(kind: type) -> type[_Stream]:
    """Return the class of proxies for a class of streams."""
    # LiteLLM makes some classes anew for each call: these share one class of proxies.
    if (proxy_class := _by_type.get(kind)) is None:
        names = frozenset(_protocols(kind))
        # Python's messages contain the name: object of type 'CustomStreamWrapper' has no len()
        key = kind.__name__, names
        if key not in _by_names:
            methods: dict[str, Any] = {
                name: _RECORDED.get(name) or _passing_on(name) for name in names
            }
            methods["__doc__"] = property(_doc)
            _by_names[key] = type(kind.__name__, (_Stream,), {"__slots__": (), **methods})
        proxy_class = _by_type[kind] = _by_names[key]
    return proxy_class


def _doc(self: _Stream) -> Any:
    return self._self_stream.__doc__


def _protocols(kind: type) -> Iterator[str]:
    """Yield the names of the methods of a class that make up its protocols."""
    for name in dir(kind):
        is_special = name.startswith("__") and name.endswith("__") and name not in _NOT_PASSED_ON
        if name in _RECORDED or (is_special and callable(getattr(kind, name, None))):
            yield name


def _passing_on(name: str) -> Callable[..., Any]:
    def method(self: _Stream, *args: object, **kwargs: object) -> Any:
        return getattr(self._self_stream, name)(*args, **kwargs)

    method.__name__ = name
    return method
