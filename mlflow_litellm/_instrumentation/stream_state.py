"""Record the chunks of a stream, and end its span once: by its reader, by a drop, or at exit."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import threading
import time
import weakref
from _thread import get_ident, start_new_thread
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import mlflow

from mlflow_litellm._common import attributes as names
from mlflow_litellm._common.interruptions import let_through
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.health import counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_litellm._payloads.base import Response
    from mlflow_litellm._payloads.kind import Accumulator
    from mlflow_litellm._tracing.span import CallSpan


class StreamedCall(Protocol):
    """
    The call that opened a stream, as far as the stream needs it.

    Attributes:
        span: The span of the call, which ends with the stream.
        is_open: Whether the call has not ended yet.
    """

    span: CallSpan
    is_open: bool

    @property
    def outer(self) -> StreamedCall | None:
        """The call that the call is made for, or None."""

    def is_below(self, other: Any) -> bool:
        """Return whether the call was made for another."""

    def add_lost_stream(self, error: BaseException) -> None:
        """Record that the stream of an inner call broke."""

    def close(
        self,
        response: Response | None,
        error: BaseException | None,
        redact: Callable[[str], str],
        finish: Callable[[Response | None], None] | None,
    ) -> None:
        """End the call and its span."""


class StreamRecord:
    """
    The chunks that a stream has delivered, and the call that ends with the stream.

    The record does not hold the stream, so the code that ends the span does not keep the stream
    alive. One reader at a time adds chunks; ending is thread-safe, and only the first end counts.

    Args:
        call: The call that opened the stream.
        accumulator: Merges the chunks.
        redact: Redacts the secrets in a text of an exception.

    Attributes:
        call: The call that opened the stream.
        chunks: The number of chunks that have been read.
        is_left: Whether a loop over the stream was left before its end.
    """

    __slots__ = (
        "__weakref__",
        "_accumulator",
        "_ended",
        "_first_chunk_at",
        "_first_content_at",
        "_last_chunk_at",
        "_longest_gap",
        "_only_end",
        "_process",
        "_redact",
        "_span",
        "call",
        "chunks",
        "is_left",
    )

    def __init__(
        self, call: StreamedCall, accumulator: Accumulator, redact: Callable[[str], str]
    ) -> None:
        self.call = call
        self._span = call.span
        self._accumulator = accumulator
        self._redact = redact
        self._first_chunk_at: float | None = None
        self._first_content_at: float | None = None
        self._last_chunk_at = 0.0
        self._longest_gap = 0.0
        self._only_end = threading.Lock()
        self._process = os.getpid()
        self._ended = False
        self.chunks = 0
        # The proxy sets it directly before it reads a chunk: a method call takes longer than that.
        self.is_left = False

    @property
    def is_of_this_process(self) -> bool:
        """Whether the stream was opened in this process, not in its parent before a fork."""
        return self._process == os.getpid()

    def add(self, chunk: object) -> None:
        """Add a chunk. A fault while reading it ends the recording, not the stream."""
        if self._ended:
            return
        self.chunks += 1
        now = time.perf_counter()
        if self._first_chunk_at is None:
            self._first_chunk_at = now
        elif now - self._last_chunk_at > self._longest_gap:
            self._longest_gap = now - self._last_chunk_at
        self._last_chunk_at = now
        try:
            self._accumulator.add(chunk)
            if self._first_content_at is None and self._accumulator.has_content:
                self._first_content_at = now
        except Exception as error:  # noqa: BLE001 - A guard around each chunk costs 0.5 us.
            let_through(error)
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

    def leave(self) -> bool:
        """Record that a loop over the stream was left; return whether it may be read on."""
        self.is_left = not self._ended
        outer = self.call.outer
        # LiteLLM or a custom provider reads an inner stream only until the outer call has ended.
        return outer is None or outer.is_open

    def abandon_if_left(self, idle_s: float = 0.0) -> None:
        """End the span if a loop was left, and nothing has been read for some seconds since."""
        if self.is_left and time.perf_counter() - self._last_chunk_at >= idle_s:
            self.abandon()

    def fail(self, error: BaseException) -> None:
        """End the span: reading raised `error`."""
        self._end("failed", error)

    def _end(self, how: str, error: BaseException | None = None) -> None:
        # Never released: a second end could come while the lock is being released.
        if not self._only_end.acquire(blocking=False):
            return
        try:
            self._end_once(how, error)
        except BaseException as interruption:
            self._span.fail(interruption, None, self._redact)
            raise

    def _end_once(self, how: str, error: BaseException | None) -> None:
        self._ended = True
        open_streams.discard(self)
        self.call.is_open = False
        # If the stream was opened before a fork, the parent process ends the span.
        if self.is_of_this_process:
            # In some streams, LiteLLM delivers an error as a chunk.
            self._close(how, error or self._accumulator.error)
            open_streams.abandon_left(below=self.call)

    def _close(self, how: str, error: BaseException | None) -> None:
        how = "failed" if error else how
        response = finish = None
        with guard("merging a stream"):
            response = self._accumulator.response()
            response.attributes.update(self._attributes(how))
        if error is not None and self.call.outer is not None:
            self.call.outer.add_lost_stream(error)
        if how == "abandoned":
            counts.add_abandoned()
            left_at = self._last_chunk_at if self.is_left else None
            finish = partial(self._span.abandon, chunks=self.chunks, at=left_at)
        self.call.close(response, error, self._redact, finish)

    def _attributes(self, how: str) -> dict[str, Any]:
        attributes: dict[str, Any] = {names.STREAM_END: how, names.STREAM_CHUNKS: self.chunks}
        waits = {
            names.TIME_TO_FIRST_CHUNK_MS: self._first_chunk_at,
            names.TIME_TO_FIRST_CONTENT_MS: self._first_content_at,
        }
        for name, at in waits.items():
            if at is not None:
                attributes[name] = round((at - self._span.started_at) * 1000, 3)
        if self.chunks > 1:
            attributes[names.LONGEST_CHUNK_GAP_MS] = round(self._longest_gap * 1000, 3)
        return attributes


class OpenStreams:
    """
    The streams of this process that have not ended. All threads share one instance.

    It has no lock: the garbage collector ends streams too, between any two lines of a thread that
    may hold the lock. The sets hold no stream alive.
    """

    def __init__(self) -> None:
        self._open: weakref.WeakSet[StreamRecord] = weakref.WeakSet()
        # The open streams that a loop has left, while other code still holds the stream.
        self._left: weakref.WeakSet[StreamRecord] = weakref.WeakSet()
        self._dropped: deque[StreamRecord] = deque()
        self._ending_dropped = threading.Lock()
        self._collecting_thread: int | None = None
        self._is_watching = False

    def __iter__(self) -> Iterator[StreamRecord]:
        return iter(_members(self._open))

    def add(self, record: StreamRecord) -> None:
        """Add a stream. Its span ends at exit, if it has not ended before."""
        self._open.add(record)
        if not self._is_watching:
            self._is_watching = True
            # Not earlier: exit handlers run last first, and MLflow registers the ones that stop its
            # export with the first span.
            atexit.register(self.end_all)
            gc.callbacks.append(self._watch_collection)

    def discard(self, record: StreamRecord) -> None:
        """Remove a stream that ends."""
        self._open.discard(record)
        self._left.discard(record)

    def leave(self, record: StreamRecord) -> None:
        """Keep the span of a stream open after a loop was left, if the stream may be read on."""
        if not record.leave():
            self.drop(record)
        elif record.is_left:
            self._left.add(record)

    def drop(self, record: StreamRecord) -> None:
        """
        End the span of a stream that nobody holds any more.

        The garbage collector may run while this thread holds a lock of MLflow or OpenTelemetry.
        Ending a span would then wait for that lock forever. A new thread holds no lock.
        """
        if self._collecting_thread != get_ident():
            record.abandon()
            return
        self._dropped.append(record)
        # One thread is enough for all streams of a collection. If none can be started, the next
        # collection tries again.
        if not self._ending_dropped.locked():
            with contextlib.suppress(RuntimeError):
                start_new_thread(self._end_dropped, ())

    def abandon_left(self, *, idle_s: float = 0.0, below: StreamedCall | None = None) -> None:
        """
        End the spans of streams that loops have left, and that nobody reads on.

        Args:
            idle_s: The number of seconds for which no chunk has been read.
            below: If not None, end only the streams whose outer call this is.
        """
        if not self._left:
            return
        for record in _members(self._left):
            if below is None or record.call.outer is below:
                record.abandon_if_left(idle_s)

    def abandon_below(self, call: StreamedCall) -> None:
        """
        End the spans of the streams that were opened for a call and that nobody reads any more.

        LiteLLM may drop such a stream in a cycle of references, which Python collects much later or
        never.
        """
        for record in self:
            if record.call.is_below(call):
                record.abandon()

    def end_all(self) -> None:
        """End the spans of all streams that this process has opened, and send them."""
        self._end_dropped()
        ours = [record for record in self if record.is_of_this_process]
        for record in ours:
            record.abandon()
        if ours:
            with guard("flushing at exit"):
                mlflow.flush_trace_async_logging()

    def _end_dropped(self) -> None:
        with self._ending_dropped:
            while self._dropped:
                self._dropped.popleft().abandon()

    def _watch_collection(self, phase: str, _: dict[str, int]) -> None:
        self._collecting_thread = get_ident() if phase == "start" else None


def _members(records: weakref.WeakSet[StreamRecord]) -> list[StreamRecord]:
    while True:
        # Other threads may open or end a stream meanwhile.
        with contextlib.suppress(RuntimeError):
            return list(records)


open_streams = OpenStreams()

# For this time, a stream that a loop has left may be read on. The next call after it ends the span.
LEFT_FOR_S = 60.0
