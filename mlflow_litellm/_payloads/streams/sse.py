"""
Reads server-sent events from a stream whose pieces may start or end within an event.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common.interruptions import let_through
from mlflow_litellm._payloads.kind import Accumulator
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.kind import Kind

# In bytes. Longer data is no event: models send at most a picture, a tenth of this.
_LONGEST = 64_000_000
_MOST_LINES = 100


class Events:
    """
    Parses pieces into the data of events, as dicts. Pieces are bytes, texts, dicts or objects.

    Data that is no JSON object, such as ``[DONE]``, is skipped. Not thread-safe.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._kept = 0
        self._data: list[bytes] = []

    def read(self, piece: object) -> list[dict[str, Any]]:
        """Add the next piece of the stream, and return the events that it completes."""
        if isinstance(piece, str):
            piece = piece.encode("utf-8", "replace")
        if not isinstance(piece, (bytes, bytearray)):
            whole = to_jsonable(piece)
            return [whole] if isinstance(whole, dict) else []
        if (event := self._whole(piece)) is not None:
            return [event]
        if b"\n" not in piece:
            self._keep(bytes(piece))
            return []
        *lines, rest = b"".join((*self._rest, piece)).split(b"\n")
        self._rest, self._kept = [], 0
        self._keep(rest)
        return [event for line in lines if (event := self._event(line)) is not None]

    def _whole(self, piece: bytes | bytearray) -> dict[str, Any] | None:
        """Return the event of a piece that is exactly one event, as most pieces are; else None."""
        is_one = piece.startswith(b"data:") and piece.count(b"\n") == 2  # noqa: PLR2004
        if not is_one or self._rest or self._data or not piece.endswith(b"\n\n"):
            return None
        return _object(piece[5:])

    def rest(self) -> list[dict[str, Any]]:
        """Return the event that the stream's end completes, if any."""
        return self.read(b"\n") if self._rest else []

    def _keep(self, rest: bytes) -> None:
        self._kept += len(rest)
        if rest and self._kept <= _LONGEST:
            self._rest.append(rest)

    def _event(self, line: bytes) -> dict[str, Any] | None:
        line = line.removesuffix(b"\r")
        if not line.startswith(b"data:"):
            if not line:
                self._data.clear()
            return None
        if len(self._data) > _MOST_LINES:
            self._data.clear()
        self._data.append(line[5:])
        if not line.rstrip().endswith(b"}"):
            return None
        # Before the blank line that ends the event: some adapters leave it out.
        event = _object(line[5:])
        if event is None and len(self._data) > 1:
            event = _object(b"\n".join(self._data))
        if event is not None:
            self._data.clear()
        return event


class EventAccumulator(Accumulator):
    """Merges the events of a stream. A subclass adds one event, and returns the merged outputs."""

    def __init__(self, kind: Kind, arguments: Mapping[str, Any], stream: object) -> None:
        super().__init__(kind, arguments, stream)
        self._events = Events()

    def add(self, piece: object) -> None:
        """Add the next piece of the stream, which may hold several events, or part of one."""
        for event in self._events.read(piece):
            self._add_event(event)

    def outputs(self) -> dict[str, Any]:
        """Return the outputs so far, in the shape that they have without streaming."""
        for event in self._events.rest():
            self._add_event(event)
        return self._merged()

    def _add_event(self, event: dict[str, Any]) -> None:
        raise NotImplementedError

    def _merged(self) -> dict[str, Any]:
        raise NotImplementedError


def _object(data: bytes | bytearray) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    # RecursionError: the JSON nests too deep.
    except (ValueError, RecursionError) as error:
        let_through(error)
        return None
    return value if isinstance(value, dict) else None
