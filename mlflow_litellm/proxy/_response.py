"""Read the proxy's response from the bytes that it sends."""

from __future__ import annotations

import json
import time
import zlib
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common import attributes as names
from mlflow_litellm._payloads.base import Response, StreamError
from mlflow_litellm._payloads.media import bounded
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.sse import Events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.kind import Accumulator, Kind

# In bytes. Of longer responses, such as videos and thousands of vectors, only the size is recorded.
_LONGEST = 4_000_000
_FAILED = 400
# An event with an error and one of these fields is read by its kind; without, it is only an error.
_OF_AN_EVENT = frozenset({"choices", "event_type", "type"})


class ProxyResponse:
    """
    One response of LiteLLM Proxy, while it is sent. Is not thread-safe.

    Attributes:
        status: The HTTP status; None until it is sent.
        is_complete: Whether the last message has been sent.
    """

    def __init__(self) -> None:
        self._kind: Kind | None = None
        self._arguments: Mapping[str, Any] = {}
        self.status: int | None = None
        self.is_complete = False
        self._headers: dict[bytes, bytes] = {}
        self._first_sent_at: float | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._events = Events()
        self._accumulator: Accumulator | None = None
        self._is_priced = False

    @property
    def has_failed(self) -> bool:
        """Whether the status is the status of an error."""
        return self.status is not None and self.status >= _FAILED

    @property
    def error(self) -> Exception | None:
        """The error that a stream reported after its begin, or None."""
        return self._accumulator.error if self._accumulator is not None else None

    def start(
        self,
        message: Mapping[str, Any],
        kind: Kind,
        arguments: Mapping[str, Any],
        *,
        is_priced: bool,
    ) -> None:
        """
        Read the first message of the response.

        Args:
            message: The ASGI message: https://asgi.readthedocs.io/en/latest/specs/www.html.
            kind: The kind of call.
            arguments: The arguments of the call.
            is_priced: Whether to record its tokens and their cost.
        """
        self.status, self._kind, self._arguments = message["status"], kind, arguments
        self._headers = {name.lower(): value for name, value in message.get("headers") or ()}
        self._is_priced = is_priced
        if self._is_stream:
            self._accumulator = kind.accumulate(arguments, None if is_priced else _UNPRICED)

    def add(self, message: Mapping[str, Any]) -> None:
        """Read the next part of the body."""
        piece = message.get("body") or b""
        if piece and self._first_sent_at is None:
            self._first_sent_at = time.perf_counter()
        self._size += len(piece)
        if self._accumulator is not None:
            for event in self._events.read(piece):
                _accumulate(self._accumulator, event)
        elif self._size <= _LONGEST:
            self._pieces.append(piece)
        self.is_complete = not message.get("more_body", False)

    def read(self) -> Response:
        """Return the response so far."""
        if self._accumulator is not None:
            fields: Response = self._accumulator.response()
        elif (
            self._kind is not None
            and self._is_priced
            and not self.has_failed
            and isinstance(body := self.body(), dict)
        ):
            fields = self._kind.parse_response(body, self._arguments)
        else:
            fields = Response(to_jsonable(self.body()))
        return fields if self._is_priced else Response(bounded(fields.outputs))

    def body(self) -> Any:
        """Return the body of a response that is no stream: parsed if it is JSON, else its size."""
        body = b"".join(self._pieces)
        try:
            if self._headers.get(b"content-encoding") == b"gzip":
                # 16: the format of gzip, not zlib's own.
                body = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, _LONGEST)
            return json.loads(body)
        except (ValueError, RecursionError, zlib.error):
            kind = self._headers.get(b"content-type", b"").decode("latin-1").partition(";")[0]
            return f"<{self._size} bytes: {kind}>" if self._size else None

    def attributes(self, began_at: float, error: BaseException | None) -> dict[str, Any]:
        """
        Return the span attributes of the response.

        Args:
            began_at: When the request came, by ``time.perf_counter()``.
            error: The error of the request, or None.
        """
        fields: dict[str, Any] = {names.HTTP_STATUS: self.status}
        if call_id := self._headers.get(b"x-litellm-call-id"):
            fields[names.CALL_ID] = call_id.decode("latin-1")
        if self._is_stream:
            how = "finished" if self.is_complete else "abandoned"
            fields[names.STREAM_END] = "failed" if error else how
            if self._first_sent_at is not None:
                fields[names.TIME_TO_FIRST_CHUNK_MS] = round(
                    (self._first_sent_at - began_at) * 1000, 3
                )
        return {key: value for key, value in fields.items() if value is not None}

    @property
    def _is_stream(self) -> bool:
        return self._headers.get(b"content-type", b"").startswith(b"text/event-stream")


def message_of(body: object) -> str:
    """Return the message in an error's body: in OpenAI's, Anthropic's or FastAPI's form."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return error if isinstance(error, str) else json.dumps(to_jsonable(error))


def _stream_error(error: object) -> StreamError:
    code = error.get("code") if isinstance(error, dict) else None
    return StreamError(": ".join(str(part) for part in (code, message_of(error)) if part))


class _Fields:
    """A part of a chunk, with attributes as LiteLLM's objects have them, without extra fields."""

    __pydantic_extra__ = model_extra = None

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__ = fields


# Inner calls have the tokens and their prices. For a cache hit, no price is looked up.
_UNPRICED = _Fields({"_hidden_params": {"cache_hit": True, "custom_llm_provider": "litellm_proxy"}})


def _accumulate(accumulator: Accumulator, event: dict[str, Any]) -> None:
    if event.get("error") and not event.keys() & _OF_AN_EVENT:
        accumulator.error = _stream_error(event["error"])
    else:
        accumulator.add(_chunk(event) if "choices" in event else event)


def _chunk(event: dict[str, Any]) -> Any:
    """Return an event of a chat or text completion stream in the form of LiteLLM's chunks."""
    choices = [
        _Fields({**choice, "delta": _Fields(choice.get("delta") or {})})
        for choice in event["choices"] or ()
        if isinstance(choice, dict)
    ]
    return _Fields({**event, "choices": choices})
