"""Stands in for a Databricks workspace, on loopback."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from processes import until

EXPERIMENT_ID = "123456"
# The time limit for a trace, from the end of its request.
TRACING_S = 60.0


class Workspace(ThreadingHTTPServer):
    """
    A Databricks workspace for MLflow: receives traces, and returns them unchanged.

    Attributes:
        answering: Set while it responds; requests wait for that.
        received: The path, authorization and body of each received request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answering = threading.Event()
        self.answering.set()
        self.received: list[tuple[str, str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def trace(self, tag: str) -> dict[str, Any]:
        """Wait for the only trace with a tag, and return its data."""
        [info] = until(lambda: self._infos(tag), TRACING_S, f"a trace with the tag {tag}")
        return info

    def _infos(self, tag: str) -> list[dict[str, Any]]:
        bodies = [body for path, _, body in list(self.received) if path.endswith("/mlflow/traces")]
        infos = [body["trace"]["trace_info"] for body in bodies]
        return [info for info in infos if tag in info.get("tags", {})]


class _Handler(BaseHTTPRequestHandler):
    server: Workspace

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep requests off stderr."""

    def do_GET(self) -> None:
        self._answer({"experiment": {"experiment_id": EXPERIMENT_ID, "name": "/gateway"}})

    def do_POST(self) -> None:
        self._take()

    def do_PATCH(self) -> None:
        self._take()

    def _take(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.loads(raw) if raw.startswith(b"{") else {}
        path, authorization = self.path.partition("?")[0], self.headers.get("authorization", "")
        self.server.received.append((path, authorization, body))
        self._answer(body)

    def _answer(self, body: Any) -> None:
        self.server.answering.wait()
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
