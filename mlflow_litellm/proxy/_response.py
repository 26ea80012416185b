"""Reads what the gateway answers, from the bytes that it sends."""

from __future__ import annotations

import json
import time
import zlib
from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.base import Response, StreamError
from mlflow_litellm._payloads.bounded import bounded
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.sse import Events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Payload

# In bytes. Of longer answers, such as videos and vectors by the thousand, the size is recorded.
_LONGEST = 4_000_000
_FAILED = 400
# One of these tells an event of a kind that knows errors from an error instead of an event.
_OF_AN_EVENT = frozenset({"choices", "event_type", "type"})


class ProxyResponse:
    """
    One answer of the gateway's, as it is sent. Is not thread-safe.

    Attributes:
        status: The HTTP status; None before there is one.
        is_complete: Whether the last of it has been sent.
    """

    def __init__(self) -> None:
        self._payload: Any = None
        self._known: Mapping[str, Any] = {}
        self.status: int | None = None
        self.is_complete = False
        self._headers: dict[bytes, bytes] = {}
        self._first_sent_at: float | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._events = Events()
        self._accumulator: Any = None
        self._is_priced = False

    @property
    def has_failed(self) -> bool:
        """Whether its status is that of an error."""
        return self.status is not None and self.status >= _FAILED

    @property
    def error(self) -> Exception | None:
        """What a stream says went wrong after it had begun."""
        return getattr(self._accumulator, "error", None)

    def start(
        self,
        message: Mapping[str, Any],
        payload: Payload,
        known: Mapping[str, Any],
        *,
        is_priced: bool,
    ) -> None:
        """
        Take the first message of the answer.

        Args:
            message: ASGI's: https://asgi.readthedocs.io/en/latest/specs/www.html.
            payload: What kind of call it answers.
            known: The arguments of the call.
            is_priced: Whether its tokens and their cost are wanted.
        """
        self.status, self._payload, self._known = message["status"], payload, known
        self._headers = {name.lower(): value for name, value in message.get("headers") or ()}
        self._is_priced = is_priced
        if self._is_stream and hasattr(self._payload, "Accumulator"):
            self._accumulator = self._payload.Accumulator(known, None if is_priced else _UNPRICED)

    def add(self, message: Mapping[str, Any]) -> None:
        """Take the next piece of the body."""
        piece = message.get("body") or b""
        if piece and self._first_sent_at is None:
            self._first_sent_at = time.perf_counter()
        self._size += len(piece)
        if self._accumulator is not None:
            for event in self._events.read(piece):
                self._accumulate(event)
        elif self._size <= _LONGEST:
            self._pieces.append(piece)
        self.is_complete = not message.get("more_body", False)

    def _accumulate(self, event: dict[str, Any]) -> None:
        if event.get("error") and not event.keys() & _OF_AN_EVENT:
            self._accumulator.error = _stream_error(event["error"])
        else:
            self._accumulator.add(_chunk(event) if "choices" in event else event)

    def read(self) -> Response:
        """Return what was answered so far."""
        if self._accumulator is not None:
            fields: Response = self._accumulator.response()
        elif self._is_priced and not self.has_failed and isinstance(body := self.body(), dict):
            fields = self._payload.parse_response(body, self._known)
        else:
            fields = Response(to_jsonable(self.body()))
        return fields if self._is_priced else Response(bounded(fields.outputs))

    def body(self) -> Any:
        """Return the body of an answer that came whole: JSON as data, all else described."""
        body = b"".join(self._pieces)
        try:
            if self._headers.get(b"content-encoding") == b"gzip":
                # 16: the format of gzip, not zlib's own.
                body = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, _LONGEST)
            return json.loads(body)
        except (ValueError, RecursionError, zlib.error):
            kind = self._headers.get(b"content-type", b"").decode("latin-1").partition(";")[0]
            return f"<{self._size} bytes: {kind}>" if self._size else None

    def attributes(self, asked_at: float, error: BaseException | None) -> dict[str, Any]:
        """
        Return the span attributes of the answer.

        Args:
            asked_at: When the request came, by ``time.perf_counter()``.
            error: Why it failed, if it did.
        """
        fields: dict[str, Any] = {"http.response.status_code": self.status}
        if call_id := self._headers.get(b"x-litellm-call-id"):
            fields["litellm_call_id"] = call_id.decode("latin-1")
        if self._is_stream:
            how = "finished" if self.is_complete else "abandoned"
            fields["stream_end"] = "failed" if error else how
            if self._first_sent_at is not None:
                fields["time_to_first_chunk_ms"] = round((self._first_sent_at - asked_at) * 1000, 3)
        return {key: value for key, value in fields.items() if value is not None}

    @property
    def _is_stream(self) -> bool:
        return self._headers.get(b"content-type", b"").startswith(b"text/event-stream")


def message_of(body: Any) -> str:
    """Return what an error's body says: OpenAI's form, Anthropic's, or FastAPI's."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return error if isinstance(error, str) else json.dumps(to_jsonable(error))


def _stream_error(error: Any) -> StreamError:
    code = error.get("code") if isinstance(error, dict) else None
    return StreamError(": ".join(str(part) for part in (code, message_of(error)) if part))


class _Fields:
    """A part of a chunk, which accumulators take as LiteLLM's objects: fields, and no extras."""

    __pydantic_extra__ = model_extra = None

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__ = fields


# Calls below have the tokens and their prices: of a cache hit none is looked up.
_UNPRICED = _Fields({"_hidden_params": {"cache_hit": True, "custom_llm_provider": "litellm_proxy"}})


def _chunk(event: dict[str, Any]) -> Any:
    """Return an event of a chat or text completion stream in the form of LiteLLM's chunks."""
    choices = [
        _Fields({**choice, "delta": _Fields(choice.get("delta") or {})})
        for choice in event["choices"] or ()
        if isinstance(choice, dict)
    ]
    return _Fields({**event, "choices": choices})
