"""
Serve the exchanges in ``exchanges/``, whole or streamed, in each provider's own bytes.

They are not captures: they are written from the format that each provider publishes, at the page
that its file names as `source`, with invented ids. All have the same content, as far as the
provider can.
"""

from __future__ import annotations

import json
import struct
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from ._scenarios import Event, Json, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "exchanges"
ROOT = "/replay"
STREAMING = (":streamGenerateContent", "/converse-stream")
SSE = "text/event-stream"
AWS = "application/vnd.amazon.eventstream"
# The type of a header's value in an AWS event stream that is a string.
STRING = 7


@lru_cache
def exchange(provider: str) -> Json:
    """Read a provider's exchange: the response's `headers`, its `body`, and its `events`."""
    content: Json = json.loads((FOLDER / f"{provider}.json").read_text(encoding="utf-8"))
    return content


def found(path: str) -> Json | None:
    """Return the exchange of a request's path, ``/replay/<provider>/...``."""
    if not path.startswith(f"{ROOT}/"):
        return None
    provider = path.removeprefix(f"{ROOT}/").partition("/")[0]
    known = {file.stem for file in FOLDER.glob("*.json")}
    return exchange(provider) if provider in known else None


def streams(path: str, request: Request) -> bool:
    """Return whether a stream is requested: by the path or the body, as the provider has it."""
    return request.stream or path.endswith(STREAMING)


def content_type(path: str) -> str:
    """Return the type of a stream."""
    return AWS if path.endswith("/converse-stream") else SSE


def events(path: str, request: Request, told: Json) -> Iterator[Event]:
    """Render the events of a streamed response."""
    render = frame if content_type(path) == AWS else _sent
    # OpenRouter has the latter form of the request.
    is_counted = request.include_usage or "usage" in request.body
    for event in told["events"]:
        if is_counted or not _is_count(event):
            yield Event(render(event))


def frame(event: Json) -> bytes:
    """
    Render one message of an AWS event stream: lengths, headers, payload, each with its checksum.

    https://smithy.io/2.0/aws/amazon-eventstream.html
    """
    kind = {":event-type": event["event"], ":content-type": "application/json"}
    named = {**kind, ":message-type": "event"}
    headers = b"".join(_header(*item) for item in named.items())
    payload = json.dumps(event["data"]).encode()
    lengths = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = lengths + struct.pack("!I", crc32(lengths)) + headers + payload
    return message + struct.pack("!I", crc32(message))


def _header(name: str, value: str) -> bytes:
    length = struct.pack("!BH", STRING, len(value))
    return bytes([len(name)]) + name.encode() + length + value.encode()


def _sent(event: Json) -> bytes:
    if "comment" in event:
        return f": {event['comment']}\n\n".encode()
    data = event["data"]
    name = f"event: {event['event']}\n" if "event" in event else ""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"{name}data: {text}\n\n".encode()


def _is_count(event: Json) -> bool:
    """Return whether an event is OpenAI's count of the tokens, which is sent only on request."""
    data = event.get("data")
    return isinstance(data, dict) and "choices" in data and bool(data.get("usage"))
