"""What reaches an OpenTelemetry collector, from processes that export to one."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from scripts import succeed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow.entities import Trace

BEGIN = """
import asyncio, litellm, mlflow
mlflow.litellm.autolog()
told = {"metadata": {"tags": ["jobID:42", "plain", "flag:true", 'json:{"a": 1}'],
                     "session_id": "7", "trace_user_id": "ada"}}

def call(text):
    messages = [{"role": "user", "content": text}]
    return {"model": "gpt-4o-mini", "messages": messages, "mock_response": "hello there"}

async def read(**kwargs):
    async for _ in await litellm.acompletion(**kwargs, stream=True): pass

"""
WAYS = {
    "sync": "litellm.completion(**call('sync'), **told)",
    "async": "asyncio.run(litellm.acompletion(**call('async'), **told))",
    "sync stream": "for _ in litellm.completion(**call('sync stream'), **told, stream=True): pass",
    "async stream": "asyncio.run(read(**call('async stream'), **told))",
    "held open": "s = litellm.completion(**call('held open'), **told, stream=True); next(s)",
}
UNTAGGED = "litellm.completion(**call('untagged'))"
INSIDE = "with mlflow.start_span('agent'): litellm.completion(**call('inside'), **told)"
TAGS = {"jobID": "42", "plain": "", "flag": "true", "json": '{"a": 1}'}
PREFIX = "mlflow.traceTag."


class Collector(ThreadingHTTPServer):
    """Takes spans as a collector does, by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []

    @property
    def endpoint(self) -> str:
        """Return where spans are taken."""
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    def take(self, body: bytes) -> None:
        """Keep the spans of one request."""
        request = ExportTraceServiceRequest.FromString(body)
        scopes = [scope for item in request.resource_spans for scope in item.scope_spans]
        self.spans += [span for scope in scopes for span in scope.spans]

    def root(self, text: str = "") -> tuple[str, dict[str, str]]:
        """Return name and attributes of the only root that came, of those that hold a text."""
        roots = [span for span in self.spans if not span.parent_span_id]
        [span] = [span for span in roots if text in str(span)]
        return span.name, texts(span)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_packed = self.headers.get("Content-Encoding") == "gzip"
        self.server.take(gzip.decompress(body) if is_packed else body)
        self.send_response(200)
        self.end_headers()


def texts(span: Any) -> dict[str, str]:
    """Return the texts among a span's attributes."""
    return {item.key: item.value.string_value for item in span.attributes}


@contextmanager
def listening() -> Iterator[Collector]:
    """Listen on loopback."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Give a test a collector of its own."""
    with listening() as server:
        yield server


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> Collector:
    """Make calls of each kind in one process, and return what came of them."""
    code = "\n".join([UNTAGGED, INSIDE, *WAYS.values()])
    with listening() as server:
        export(code, tmp_path_factory.mktemp("otlp"), server.endpoint)
    return server


def export(code: str, folder: Path, endpoint: str, **environment: str) -> None:
    """Run a script that exports to a collector, and ends when all is there."""
    succeed(
        BEGIN + code,
        folder,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint,
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
        **environment,
    )


def tags(attributes: dict[str, str]) -> dict[str, str]:
    """Return the trace's tags out of its root span's attributes."""
    return {k.removeprefix(PREFIX): v for k, v in attributes.items() if k.startswith(PREFIX)}


@pytest.mark.parametrize("way", WAYS)
def test_root_arrives_with_its_tags(way: str, arrived: Collector) -> None:
    """As MLflow's server reads them: plain texts, where MLflow's other attributes are JSON."""
    name, attributes = arrived.root(f'\\"{way}\\"')
    assert name.startswith("litellm-")
    assert tags(attributes) == TAGS
    assert (attributes["session.id"], attributes["user.id"]) == ('"7"', '"ada"')


def test_root_without_tags_arrives(arrived: Collector) -> None:
    """And has none."""
    assert tags(arrived.root("untagged")[1]) == {}


def test_call_inside_a_trace_does_not_tag_it(arrived: Collector) -> None:
    """Neither the root nor the call's own span says what MLflow would take for the trace's."""
    [call] = [span for span in arrived.spans if span.parent_span_id]
    for attributes in (arrived.root("agent")[1], texts(call)):
        assert not {"session.id", "user.id"} & attributes.keys()
        assert tags(attributes) == {}
    assert "metadata" in texts(call)


def test_mlflows_own_way_of_tagging_loses_the_root(collector: Collector, tmp_path: Path) -> None:
    """Why the tags are written otherwise; skipped where MLflow or OpenTelemetry has mended it."""
    code = "with mlflow.start_span('agent'): mlflow.update_current_trace(tags={'a': 'b'})"
    export(code, tmp_path, collector.endpoint)
    if collector.spans:
        pytest.skip(f"not with MLflow {mlflow.__version__}, SDK {version('opentelemetry-sdk')}")


def test_genai_conventions_keep_the_tags(collector: Collector, tmp_path: Path) -> None:
    """OpenTelemetry's own names in the place of MLflow's."""
    genai = {"MLFLOW_ENABLE_OTEL_GENAI_SEMCONV": "true"}
    export(WAYS["sync"], tmp_path, collector.endpoint, **genai)
    name, attributes = collector.root()
    assert name == "chat gpt-4o-mini"
    assert tags(attributes) == TAGS
    assert attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert "hello there" in attributes["gen_ai.output.messages"]
    assert not [key for key in attributes if key.startswith("mlflow.") and PREFIX not in key]


def test_dual_export_gives_both(collector: Collector, tmp_path: Path) -> None:
    """The trace with its tags in MLflow's store, and the span at the collector."""
    uri = f"sqlite:///{tmp_path / 'dual.db'}"
    dual = {"MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT": "true", "MLFLOW_TRACKING_URI": uri}
    export(WAYS["async stream"], tmp_path, collector.endpoint, **dual)
    assert collector.root()[0] == "litellm-acompletion"
    check(stored(uri))


def stored(uri: str) -> Trace:
    """Return the only trace of a store's default experiment."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        [trace] = mlflow.search_traces(locations=["0"], return_type="list")
    finally:
        mlflow.set_tracking_uri(before)
    return trace


def check(trace: Trace) -> None:
    """Fail where a trace lacks what the scripts told of it."""
    own = {k: v for k, v in trace.info.tags.items() if not k.startswith("mlflow.")}
    assert own == TAGS
    assert trace.info.trace_metadata["mlflow.trace.session"] == "7"
    assert trace.info.trace_metadata["mlflow.trace.user"] == "ada"
    assert trace.data.spans[0].name.startswith("litellm-")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Run MLflow's own server, which is a collector too."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--port", port, "--workers", "1",
         "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"],
        cwd=tmp_path, text=True, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )  # fmt: skip
    said = iter(process.stderr)
    assert any("Application startup complete" in line for line in said)
    yield f"http://127.0.0.1:{port}"
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate()


@pytest.mark.timeout(180)
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="the server has a worker to end as well")
def test_mlflows_server_reads_what_is_exported(server: str, tmp_path: Path) -> None:
    """Tags, session and user come back as they were told."""
    header = "x-mlflow-experiment-id=0"
    export(WAYS["sync"], tmp_path, f"{server}/v1/traces", OTEL_EXPORTER_OTLP_HEADERS=header)
    check(stored(server))
