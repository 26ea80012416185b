"""Run the scripted provider as an HTTP/1.1 server in daemon threads."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import threading
import time
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from . import _others, _replay, _services
from ._dialects import COMPLETIONS, OPENAI, Dialect, dialect_of
from ._scenarios import Event, Failure, Json, Request, Response, Tally, Usage, scripted, steps

if TYPE_CHECKING:
    from types import TracebackType

HOLD_SECONDS = 20.0
GRACE_SECONDS = 1.0
HEADERS = {
    "x-ratelimit-remaining-requests": "99",
    "x-ratelimit-remaining-tokens": "9999",
    "set-cookie": "session=very-secret-cookie",
}


@dataclass(frozen=True)
class Received:
    """Hold one request as it was received; header names are lower-case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    query: str = ""
    raw: bytes = b""

    def quoted_in(self, message: str) -> str:
        """Replace ``$REQUEST`` with the request, as providers quote a request that they refuse."""
        # LiteLLM 1.72 takes an error with 429 anywhere for a rate limit, also in a port like 42939.
        headers = {name: value for name, value in self.headers.items() if name != "host"}
        request = f"{self.path}?{self.query} {headers} {json.dumps(self.body)}"
        return message.replace("$REQUEST", request)


class LoopbackProvider:
    """Serve scripted responses on 127.0.0.1 for as long as the context is open."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.release = threading.Event()
        self.disconnected = threading.Event()
        self.tally = Tally()
        self._received: list[Received] = []
        self._spent: list[Usage] = []
        self._lock = threading.Lock()
        self._server = _Server(self)
        # A short poll keeps the shutdown of each test's server short.
        serve = {"poll_interval": 0.01}
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs=serve, daemon=True
        )

    @property
    def anthropic_base(self) -> str:
        """Return the `api_base` for Anthropic models."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def openai_base(self) -> str:
        """Return the `api_base` for OpenAI models."""
        return f"{self.anthropic_base}/v1"

    def replay_base(self, provider: str) -> str:
        """Return the URL at which a provider's exchange is replayed."""
        return f"{self.anthropic_base}{_replay.ROOT}/{provider}"

    @property
    def requests(self) -> list[Received]:
        """Return a copy of the list of requests received so far."""
        with self._lock:
            return list(self._received)

    @property
    def spent(self) -> list[Usage]:
        """Return a copy of the list of the usage of each response so far."""
        with self._lock:
            return list(self._spent)

    def spend(self, usage: Usage) -> None:
        """Add the usage of a response to the list."""
        with self._lock:
            self._spent.append(usage)

    def record(self, received: Received) -> None:
        """Add a request to the list."""
        with self._lock:
            self._received.append(received)

    def __enter__(self) -> LoopbackProvider:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, provider: LoopbackProvider) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider = provider
        self._live: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        # A small buffer makes a client that stops reading a long stream noticeable.
        request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        arguments = (request, client_address)
        thread = threading.Thread(target=self.process_request_thread, args=arguments, daemon=True)
        with self._lock:
            self._live[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._live.pop(request, None)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Let running responses finish, then close all other connections."""
        # Closing the reading side first ends idle connections but not the responses under way.
        for how in (socket.SHUT_RD, socket.SHUT_RDWR):
            with self._lock:
                live = dict(self._live)
                for connection in live:
                    _shut(connection, how)
            for thread in live.values():
                thread.join(GRACE_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep requests off stderr."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        received = self._receive()
        self.server.provider.record(received)
        try:
            self._answer(received)
        except ConnectionError:
            self.close_connection = True
            self.server.provider.disconnected.set()

    def _receive(self) -> Received:
        raw = self._read()
        headers = {name.lower(): value for name, value in self.headers.items()}
        path, _, query = self.path.partition("?")
        return Received(path, headers, _parsed(raw), query, raw)

    def _read(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, received: Received) -> None:
        dialect = dialect_of(received.path)
        request = (dialect or OPENAI).request(received.path, received.body)
        if told := _replay.found(received.path):
            self._replay(received.path, request, told)
            return
        asked = (received.path, received.raw, received.body)
        if reply := _services.reply(*asked) or _others.reply(*asked):
            self._send_bytes(reply.status, reply.data, {"content-type": reply.content_type})
            return
        if dialect is None or self.command != "POST":
            failure = Failure(404, f"unknown path: {received.path}")
            self._send(404, OPENAI.error_body(failure))
            return
        is_openai = dialect in (OPENAI, COMPLETIONS)
        outcome = scripted(request, self.server.provider.tally, openai=is_openai)
        if isinstance(outcome, Failure):
            failure = Failure(outcome.status, received.quoted_in(outcome.message))
            self._send(outcome.status, dialect.error_body(failure))
            return
        if cut := outcome.interruption:
            told = replace(cut, message=received.quoted_in(cut.message))
            outcome = replace(outcome, interruption=told)
        if outcome.hold:
            self._hold()
        self.server.provider.spend(outcome.tokens)
        (self._stream if request.stream else self._whole)(dialect, request, outcome)

    def _replay(self, path: str, request: Request, told: Json) -> None:
        if not _replay.streams(path, request):
            self._send(200, told["body"], told["headers"])
            return
        self._head(200, {**_stream_head(_replay.content_type(path)), **told["headers"]})
        for event in _replay.events(path, request, told):
            self._chunk(event.data)
        self._chunk(b"")

    def _whole(self, dialect: Dialect, request: Request, answer: Response) -> None:
        kind = answer.interruption.kind if answer.interruption else ""
        if kind == "break":
            self._drop()
            return
        if kind == "error":
            self._send(500, dialect.error_body(Failure(500)))
            return
        if kind == "hold":
            self._hold()
        self._send(200, dialect.body(request, answer))

    def _stream(self, dialect: Dialect, request: Request, answer: Response) -> None:
        self._head(200, {**_stream_head(_replay.SSE), **HEADERS})
        for step in steps(dialect.events(request, answer), answer.interruption):
            if isinstance(step, Event):
                self._chunk(step.data)
            elif step.kind in {"break", "hold-break"}:
                if step.kind == "hold-break":
                    self._hold()
                self._drop()
                return
            elif step.kind == "error":
                self._chunk(dialect.error_event(Failure(500, step.message)).data)
                break
            else:
                self._hold()
        self._chunk(b"")

    def _send(self, status: int, body: Json, headers: dict[str, str] = HEADERS) -> None:
        head = {"content-type": "application/json", **headers}
        self._send_bytes(status, json.dumps(body).encode(), head)

    def _send_bytes(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self._head(status, {"content-length": str(len(data)), **headers})
        self.wfile.write(data)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _drop(self) -> None:
        # An orderly FIN, unlike a reset, lets the client read all data that was sent before.
        self.close_connection = True
        _shut(self.connection, socket.SHUT_RDWR)

    def _hold(self) -> None:
        provider, deadline = self.server.provider, time.monotonic() + HOLD_SECONDS
        provider.arrived.set()
        while not provider.release.wait(0.02) and time.monotonic() < deadline:
            if _gone(self.connection):
                raise ConnectionAbortedError


def _stream_head(content_type: str) -> dict[str, str]:
    return {"content-type": content_type, "transfer-encoding": "chunked"}


def _parsed(raw: bytes) -> Json:
    with contextlib.suppress(ValueError):
        body = json.loads(raw)
        return body if isinstance(body, dict) else {}
    return {}


def _gone(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)


def _shut(connection: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(how)
