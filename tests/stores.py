"""Stands in for a tracking server that fails: a real one, on loopback, whose answers are bad."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType


def _reply(status: str, body: bytes, kind: str = "application/json", length: int = 0) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length or len(body)}"
    return head.encode() + b"\r\nconnection: close\r\n\r\n" + body


# By what is said of it: what such a server sends, whatever it is asked.
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


class FaultyStore:
    """
    Serve one reply on 127.0.0.1 for as long as the context is open.

    Args:
        reply: What is sent to each request; None to hold it until the end.

    Attributes:
        requests: What was asked so far, as method and path.
    """

    def __init__(self, reply: bytes | None) -> None:
        self.requests: list[str] = []
        self._closing = threading.Event()
        store = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                # Whoever asks may have gone.
                with contextlib.suppress(OSError):
                    store.answer(self.rfile, self.wfile, reply)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def answer(self, received: Any, sent: Any, reply: bytes | None) -> None:
        """Read one request to its end, and reply."""
        method, path, _ = received.readline().decode().split(" ")
        length = 0
        while (line := received.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        received.read(length)
        self.requests.append(f"{method} {path}")
        if reply is None:
            self._closing.wait()
        else:
            sent.write(reply)

    def __enter__(self) -> FaultyStore:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
