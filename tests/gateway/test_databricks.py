"""The gateway traces to Databricks by the environment that LiteLLM documents for it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from configurations import configuration
from custom_auth import VIRTUAL_KEY
from gateways import TRACING_S, Gateway
from processes import running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processes import Provider

TOKEN = "dapi-secret-0123456789"
EXPERIMENT_ID = "123456"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


class Workspace(ThreadingHTTPServer):
    """What a Databricks workspace is to MLflow: takes traces, and gives them back as they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def trace(self, tag: str) -> dict[str, Any]:
        """Return what was told of the only trace with a tag, as soon as it is there."""
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
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """Run what takes the place of a workspace."""
    with Workspace() as server:
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def traced(
    tmp_path_factory: pytest.TempPathFactory, vendor: Provider, workspace: Workspace
) -> Iterator[Gateway]:
    """Run a gateway with the environment of LiteLLM's page."""
    environment = {
        **vendor.environment,
        "DATABRICKS_HOST": workspace.url,
        "DATABRICKS_TOKEN": TOKEN,
        "MLFLOW_EXPERIMENT_ID": EXPERIMENT_ID,
        "MLFLOW_REGISTRY_URI": "databricks-uc",
        "MLFLOW_TRACKING_URI": "databricks",
    }
    folder = tmp_path_factory.mktemp("databricks")
    with running(Gateway(folder, configuration(), environment)) as started:
        yield started.wait()


def ask(gateway: Gateway, tag: str, **headers: str) -> httpx.Response:
    """Send a chat with a tag."""
    body = {
        "model": "chat",
        "messages": [{"role": "user", "content": "hello"}],
        "litellm_metadata": {"tags": [tag]},
    }
    given = {"Authorization": f"Bearer {VIRTUAL_KEY}", **headers}
    url = f"{gateway.url}/v1/chat/completions"
    return httpx.post(url, json=body, headers=given, timeout=60)


def test_request_is_answered_as_ever(traced: Gateway, tag: str) -> None:
    """Nothing of it shows to who asks."""
    answer = ask(traced, tag)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "You said: hello"


def test_trace_goes_to_the_experiment(traced: Gateway, workspace: Workspace, tag: str) -> None:
    """By its id; with who asked, and the state."""
    ask(traced, tag)
    info = workspace.trace(tag)
    place = info["trace_location"]["mlflow_experiment"]
    assert (place["experiment_id"], info["state"]) == (EXPERIMENT_ID, "OK")
    assert info["tags"]["user_api_key_team_alias"] == "Research"
    assert "hello" in info["request_preview"]


def test_traces_are_sent_with_the_token(traced: Gateway, workspace: Workspace, tag: str) -> None:
    """And nothing else is sent without it."""
    ask(traced, tag)
    workspace.trace(tag)
    assert {authorization for _, authorization, _ in workspace.received} == {f"Bearer {TOKEN}"}


def test_token_is_in_no_trace(traced: Gateway, workspace: Workspace, tag: str) -> None:
    """Nor is the key of who asked."""
    ask(traced, tag)
    told = json.dumps(workspace.trace(tag))
    assert TOKEN not in told
    assert VIRTUAL_KEY not in told


def test_callers_trace_is_not_joined(traced: Gateway, workspace: Workspace, tag: str) -> None:
    """MLflow sends Databricks no spans by themselves: the request would be lost."""
    ask(traced, tag, traceparent=f"00-{TRACE_ID}-b7ad6b7169203331-01")
    assert workspace.trace(tag)["trace_id"] != f"tr-{TRACE_ID}"
