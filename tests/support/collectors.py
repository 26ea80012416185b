"""Real receivers of OTLP, on loopback: one over HTTP, one over gRPC."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator


class Received:
    """
    The received spans, unchanged.

    Attributes:
        spans: Each span, in OTLP's own message.
        services: The names of the services that sent them.
    """

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str | None] = set()

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Keep the spans of one request."""
        for item in request.resource_spans:
            self.services.add(attributes(item.resource).get("service.name"))
            self.spans += [span for scope in item.scope_spans for span in scope.spans]

    def root(self, text: str = "") -> tuple[str, dict[str, Any]]:
        """Return name and attributes of the only received root span that contains a text."""
        roots = [span for span in self.spans if not span.parent_span_id]
        [span] = [span for span in roots if text in str(span)]
        return span.name, attributes(span)


class HttpCollector(Received, ThreadingHTTPServer):
    """Receives spans by OTLP over HTTP."""

    protocol = "http/protobuf"

    def __init__(self) -> None:
        Received.__init__(self)
        ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), _Handler)

    @property
    def endpoint(self) -> str:
        """Return the URL for spans."""
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class _Handler(BaseHTTPRequestHandler):
    server: HttpCollector

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_packed = self.headers.get("Content-Encoding") == "gzip"
        body = gzip.decompress(body) if is_packed else body
        self.server.take(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()


class GrpcCollector(Received):
    """Receives spans by OTLP over gRPC."""

    protocol = "grpc"

    def __init__(self) -> None:
        super().__init__()
        import grpc
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service

        self.server = grpc.server(ThreadPoolExecutor(2))
        service.add_TraceServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    @property
    def endpoint(self) -> str:
        """Return the address for spans."""
        return f"http://127.0.0.1:{self.port}"

    def Export(self, request: Any, _: Any) -> ExportTraceServiceResponse:  # noqa: N802 - gRPC's.
        """Receive one request."""
        self.take(request)
        return ExportTraceServiceResponse()


@contextmanager
def over_http() -> Iterator[HttpCollector]:
    """Listen on loopback."""
    server = HttpCollector()
    with serving(server):
        yield server


@contextmanager
def over_grpc() -> Iterator[GrpcCollector]:
    """Listen on loopback."""
    collector = GrpcCollector()
    collector.server.start()
    try:
        yield collector
    finally:
        collector.server.stop(None).wait()


def attributes(holder: Any) -> dict[str, Any]:
    """Return the attributes of a span, an event or a resource, as JSON types."""
    return {item.key: _value(item.value) for item in holder.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)


def to_jsonable(told: dict[str, Any], name: str) -> Any:
    """Return an attribute's value, parsed from JSON."""
    return json.loads(told[name])
