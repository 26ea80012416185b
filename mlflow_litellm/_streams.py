"""The transparent proxy of a stream, and the record that ends the stream's span once."""

from __future__ import annotations

import atexit
import gc
import threading
import time
import weakref
from _thread import get_ident, start_new_thread
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import mlflow
import wrapt

from mlflow_litellm._guard import guard

if TYPE_CHECKING:
    from mlflow_litellm._spans import CallSpan
    from mlflow_litellm.payloads import Answer

    class Accumulator(Protocol):
        """What joins the chunks of one kind of stream."""

        def add(self, chunk: Any) -> None:
            """Take the next chunk."""

        def answer(self) -> Answer:
            """Return the answer so far."""


def is_stream(result: Any) -> bool:
    """Tell whether a result is read piece by piece: by its type, not from ``stream=``."""
    return hasattr(type(result), "__next__") or hasattr(type(result), "__anext__")


def traced_stream(stream: Any, record: StreamRecord) -> Any:
    """Return a proxy of `stream` that records what is read and ends the span once."""
    is_sync, is_async = hasattr(type(stream), "__next__"), hasattr(type(stream), "__anext__")
    kind = _BothStream if is_sync and is_async else _SyncStream if is_sync else _AsyncStream
    proxy = kind(stream, record)
    _watch(record)
    return proxy


class StreamRecord:
    """
    What a stream has delivered, and the span that ends with it.

    Apart from the stream, so that what ends it does not keep it alive. Chunks are added by one
    reader at a time; ending is thread-safe, and only the first end counts.

    Args:
        span: The span of the call that opened the stream.
        accumulator: What joins the chunks.
        started_at: When the call began, by ``time.perf_counter()``.
    """

    __slots__ = (
        "__weakref__",
        "_accumulator",
        "_ended",
        "_first_chunk_at",
        "_lock",
        "_span",
        "_started_at",
        "chunks",
    )

    def __init__(self, span: CallSpan, accumulator: Accumulator, started_at: float) -> None:
        self._span = span
        self._accumulator = accumulator
        self._started_at = started_at
        self._first_chunk_at: float | None = None
        self._lock = threading.Lock()
        self._ended = False
        self.chunks = 0

    def add(self, chunk: Any) -> None:
        """Take a chunk; a fault in that ends the recording, not the stream."""
        if self._ended:
            return
        self.chunks += 1
        if self._first_chunk_at is None:
            self._first_chunk_at = time.perf_counter()
        try:
            self._accumulator.add(chunk)
        except Exception as error:  # noqa: BLE001 - A guard around each chunk costs 0.5 us.
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._end("unreadable")
        with guard("reading a chunk"):
            raise error

    def finish(self) -> None:
        """End the span: the stream is exhausted."""
        self._end("finished")

    def abandon(self) -> None:
        """End the span: the stream was closed or dropped before its end."""
        self._end("abandoned")

    def fail(self, error: BaseException) -> None:
        """End the span: reading raised `error`."""
        self._end("failed", error)

    def _end(self, how: str, error: BaseException | None = None) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
        _open.discard(self)
        answer = None
        with guard("joining a stream"):
            answer = self._accumulator.answer()
            answer.attributes.update(self._attributes(how))
        if error is None:
            self._span.finish(answer)
        else:
            self._span.fail(error, answer)

    def _attributes(self, how: str) -> dict[str, Any]:
        attributes = {"stream_end": how, "stream_chunks": self.chunks}
        if self._first_chunk_at is None:
            return attributes
        waited = (self._first_chunk_at - self._started_at) * 1000
        return {**attributes, "time_to_first_chunk_ms": round(waited, 3)}


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

    def _self_loop(self) -> Any:
        if self._self_source is not None:
            return self
        return type(self)(self.__wrapped__, self._self_record, self)

    def __del__(self) -> None:
        record = self._self_record
        # iter() alone, which some libraries call to see whether it works, is no loop.
        if self._self_source is None or record.chunks != self._self_read_before:
            _abandon_dropped(record)


class _SyncStream(_Stream):
    def __iter__(self) -> Any:
        return self._self_loop()

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

    def close(self) -> None:
        """Close the stream, where LiteLLM's has something to close, and end its span."""
        try:
            if (close := getattr(self.__wrapped__, "close", None)) is not None:
                close()
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
        return self._self_loop()

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

    async def aclose(self) -> None:
        """Close the stream, where LiteLLM's has something to close, and end its span."""
        try:
            if (aclose := getattr(self.__wrapped__, "aclose", None)) is not None:
                await aclose()
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


_open: weakref.WeakSet[StreamRecord] = weakref.WeakSet()
_dropped: deque[StreamRecord] = deque()
_collecting_thread: int | None = None
_watching = False


def _watch(record: StreamRecord) -> None:
    """Have the stream's span ended at exit, if nothing ends it before."""
    global _watching
    _open.add(record)
    if not _watching:
        _watching = True
        # Not earlier: exit handlers run last first, and MLflow's, which stop its export, are
        # registered with the first span.
        atexit.register(_end_open_streams)
        gc.callbacks.append(_note_collection)


def _end_open_streams() -> None:
    _end_dropped()
    if still_open := list(_open):
        for record in still_open:
            record.abandon()
        with guard("flushing at exit"):
            mlflow.flush_trace_async_logging()


def _note_collection(phase: str, _: dict[str, int]) -> None:
    global _collecting_thread
    _collecting_thread = get_ident() if phase == "start" else None


def _abandon_dropped(record: StreamRecord) -> None:
    """
    End the span of a stream that nobody holds any more.

    The garbage collector may run inside MLflow or OpenTelemetry while this very thread holds one
    of their locks, where ending a span would wait for itself. A new thread holds none.
    """
    if _collecting_thread != get_ident():
        record.abandon()
        return
    _dropped.append(record)
    if len(_dropped) == 1:
        start_new_thread(_end_dropped, ())


def _end_dropped() -> None:
    while _dropped:
        try:
            record = _dropped.popleft()
        except IndexError:  # Another thread was faster.
            return
        record.abandon()
