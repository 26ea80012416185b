"""The transparent proxy of a stream, which tells its record what is read and how it ends."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import wrapt

from mlflow_litellm._records import abandon_dropped, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_litellm._records import StreamRecord


def is_stream(result: Any) -> bool:
    """Tell whether a result is read piece by piece: by its type, not from ``stream=``."""
    return hasattr(type(result), "__next__") or hasattr(type(result), "__anext__")


def traced_stream(stream: Any, record: StreamRecord, *, resumes: bool = False) -> Any:
    """
    Return a proxy of `stream` that records what is read and ends the span once.

    Args:
        stream: The stream as LiteLLM made it.
        record: What it is recorded in.
        resumes: Whether LiteLLM may make further calls while it is read.
    """
    proxy = _kind(stream, _RESUMED if resumes else _PLAIN)(stream, record)
    watch(record)
    return proxy


def _kind(stream: Any, kinds: Mapping[tuple[bool, bool], type[_Stream]]) -> type[_Stream]:
    return kinds[hasattr(type(stream), "__next__"), hasattr(type(stream), "__anext__")]


class _Stream(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """
    A stream as LiteLLM made it, to ``isinstance`` and every attribute; only reading is recorded.

    A loop over it reads through a second proxy, which lives as long as the loop: so that
    ``break`` ends the span at once, even where the stream itself is kept.
    """

    def __init__(self, stream: Any, record: StreamRecord, source: Any = None) -> None:
        super().__init__(stream)
        self._self_record = record
        self._self_source = source
        self._self_read_before = record.chunks

    def _self_loop(self, begin: Callable[[Any], Any]) -> Any:
        if self._self_source is not None:
            return self
        # Not the stream itself: some of LiteLLM's give another object to loops.
        iterator = begin(self.__wrapped__)
        kinds = _RESUMED if isinstance(self, _Resumed) else _PLAIN
        return _kind(iterator, kinds)(iterator, self._self_record, self)

    def __copy__(self) -> Any:
        return copy.copy(self.__wrapped__)

    def __del__(self) -> None:
        record = self._self_record
        # iter() alone, which some libraries call to see whether it works, is no loop.
        if self._self_source is None or record.chunks != self._self_read_before:
            abandon_dropped(record)


class _SyncStream(_Stream):
    def __iter__(self) -> Any:
        return self._self_loop(iter)

    def __next__(self) -> Any:
        record = self._self_record
        try:
            chunk = self.__wrapped__.__next__()
        except StopIteration:
            record.finish()
            raise
        except BaseException as error:
            record.fail(error)
            raise
        record.add(chunk)
        return chunk

    def close(self) -> Any:
        """Close the stream, where LiteLLM's has something to close, and end its span."""
        try:
            close = getattr(self.__wrapped__, "close", None)
            return close and close()
        finally:
            self._self_record.abandon()

    def __enter__(self) -> Any:
        self.__wrapped__.__enter__()
        return self

    def __exit__(self, *details: object) -> Any:
        try:
            return self.__wrapped__.__exit__(*details)
        finally:
            self._self_record.abandon()


class _AsyncStream(_Stream):
    def __aiter__(self) -> Any:
        return self._self_loop(aiter)

    async def __anext__(self) -> Any:
        record = self._self_record
        try:
            chunk = await self.__wrapped__.__anext__()
        except StopAsyncIteration:
            record.finish()
            raise
        except BaseException as error:
            record.fail(error)
            raise
        record.add(chunk)
        return chunk

    async def aclose(self) -> Any:
        """Close the stream, where LiteLLM's has something to close, and end its span."""
        try:
            aclose = getattr(self.__wrapped__, "aclose", None)
            return aclose and await aclose()
        finally:
            self._self_record.abandon()

    async def __aenter__(self) -> Any:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> Any:
        try:
            return await self.__wrapped__.__aexit__(*details)
        finally:
            self._self_record.abandon()


class _BothStream(_SyncStream, _AsyncStream):
    """LiteLLM's ``CustomStreamWrapper`` can be read either way."""


class _Resumed:
    """A stream that makes further calls while it is read: they belong below its own."""

    _self_record: StreamRecord

    def __next__(self) -> Any:
        with self._self_record.enclosing.resumed():
            return super().__next__()  # type: ignore[misc]

    async def __anext__(self) -> Any:
        with self._self_record.enclosing.resumed():
            return await super().__anext__()  # type: ignore[misc]


class _ResumedSync(_Resumed, _SyncStream):
    pass


class _ResumedAsync(_Resumed, _AsyncStream):
    pass


class _ResumedBoth(_Resumed, _BothStream):
    pass


# By whether a stream is read in a sync, and in an async loop.
_PLAIN: dict[tuple[bool, bool], type[_Stream]] = {
    (True, True): _BothStream,
    (True, False): _SyncStream,
    (False, True): _AsyncStream,
}
_RESUMED: dict[tuple[bool, bool], type[_Stream]] = {
    (True, True): _ResumedBoth,
    (True, False): _ResumedSync,
    (False, True): _ResumedAsync,
}
