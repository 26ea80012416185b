"""A real server on loopback with bad responses, in place of a tracking server that fails."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from typing import TYPE_CHECKING

from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator


def _reply(status: str, body: bytes, kind: str = "application/json", length: int = 0) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length or len(body)}"
    return head.encode() + b"\r\nconnection: close\r\n\r\n" + body


# By description: the bytes that such a server sends for any request.
REPLIES: dict[str, bytes | None] = {
    "fails": _reply("500 Internal Server Error", b'{"error_code": "INTERNAL_ERROR"}'),
    "forbids": _reply("403 Forbidden", b'{"error_code": "PERMISSION_DENIED", "message": "no"}'),
    "shows a page": _reply("200 OK", b"<html><body>Sign in</body></html>", "text/html"),
    "answers an empty object": _reply("200 OK", b"{}"),
    "cuts its JSON off": _reply("200 OK", b'{"trace": {"trace_in'),
    "hangs up in mid-answer": _reply("200 OK", b'{"trace": {', length=1000),
    "answers in no HTTP": b"\x00\xff\x00 what\r\n\r\n",
    "hangs up": b"",
    "never answers": None,
}


class FaultyStore(socketserver.ThreadingTCPServer):
    """
    A server on 127.0.0.1 that sends the same reply to any request.

    Args:
        reply: The bytes of each reply; None to hold it until `closing`.

    Attributes:
        requests: The requests so far, as method and path.
        closing: Set when nobody should wait any more.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, reply: bytes | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.requests: list[str] = []
        self.closing = threading.Event()
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: FaultyStore

    def handle(self) -> None:
        # The client may have disconnected.
        with contextlib.suppress(OSError):
            self._answer()

    def _answer(self) -> None:
        """Read one request to its end, and reply."""
        method, path, _ = self.rfile.readline().decode().split(" ")
        length = 0
        while (line := self.rfile.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        self.rfile.read(length)
        self.server.requests.append(f"{method} {path}")
        if self.server.reply is None:
            self.server.closing.wait()
        else:
            self.wfile.write(self.server.reply)


@contextlib.contextmanager
def faulty_store(reply: bytes | None) -> Iterator[FaultyStore]:
    """Serve one reply for as long as the context is open."""
    store = FaultyStore(reply)
    with serving(store):
        try:
            yield store
        finally:
            store.closing.set()
