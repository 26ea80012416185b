"""Presidio's analyzer and anonymizer on loopback, for the one tested kind of address."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = re.compile(r"given-[0-9a-f]+@example\.com")
KIND = "EMAIL_ADDRESS"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"/analyze": analyzed, "/anonymize": anonymized}[self.path](asked["text"])
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def analyzed(text: str) -> list[dict[str, Any]]:
    """Return the positions of addresses in a text, as the analyzer does."""
    return [
        {"entity_type": KIND, "start": found.start(), "end": found.end(), "score": 1.0}
        for found in ADDRESS.finditer(text)
    ]


def anonymized(text: str) -> dict[str, Any]:
    """Return a text with its addresses replaced, as the anonymizer does."""
    found = ADDRESS.findall(text)
    items = [{"operator": "replace", "entity_type": KIND, "text": f"<{KIND}>"} for _ in found]
    return {"text": ADDRESS.sub(f"<{KIND}>", text), "items": items}


@contextmanager
def presidio() -> Iterator[str]:
    """Listen on loopback; yield the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"
