"""An address that is no store of traces has a remedy, as the doctor and the warnings give it."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from serving import serving

from mlflow_litellm._tracing.store.errors import ProblemError, explain

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MLflow ask a server once: by default, it retries for minutes."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def problem(uri: str) -> ProblemError:
    """Return the problem with a store, from the error that MLflow raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - MLflow has many types
        MlflowClient(uri).get_experiment("0")
    return explain(uri, raised.value)


@pytest.mark.parametrize("uri", ["localhost:5000", "127.0.0.1:5000", "mlflow.example.com:80/path"])
def test_address_without_a_scheme_gets_one(uri: str) -> None:
    """MLflow takes the host for a scheme, or for a folder."""
    found = problem(uri)
    assert (found.what, found.remedy) == (f"the address {uri} has no scheme", f"write http://{uri}")


@pytest.mark.parametrize("prefix", ["", "file:"])
def test_folder_is_replaced_by_a_database(prefix: str, tmp_path: Path) -> None:
    """A folder, as ./mlruns of earlier versions, is named with the database and the migration."""
    found = problem(f"{prefix}{tmp_path / 'mlruns'}")
    assert "no longer stores traces in folders" in found.what
    assert found.remedy.startswith(
        "name a database such as sqlite:///mlflow.db (move the data with:"
    )


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, "<html>Not Found</html>", "no MLflow tracking server: name the address that shows"),
        (404, '{"detail": "Not Found"}', "no MLflow tracking server: name the address that shows"),
        (200, "<html>Welcome</html>", "no MLflow tracking server: name the address that shows"),
        (401, "", "denies access: correct MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME"),
        (418, "", "cannot be used (API request to endpoint"),
    ],
)
def test_server_that_is_not_mlflows_is_known(status: int, body: str, said: str) -> None:
    """A server that gives no answer of MLflow's is named as such."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        assert said in str(problem(f"http://127.0.0.1:{server.server_address[1]}"))


def test_server_without_tls_is_known() -> None:
    """An https:// address of a server that has only HTTP is corrected."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    with serving(server):
        found = problem(f"https://127.0.0.1:{server.server_address[1]}")
    assert found.what.endswith("answers without TLS")
    assert found.remedy == "write http:// instead of https://"
