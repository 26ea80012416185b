"""The proxy traces to Databricks with the environment that LiteLLM documents for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
from configurations import configuration
from custom_auth import VIRTUAL_KEY
from gateways import Gateway
from processes import running
from workspaces import EXPERIMENT_ID, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processes import Provider

TOKEN = "dapi-secret-0123456789"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    """Run a substitute for a workspace."""
    with Workspace() as server:
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def traced(
    tmp_path_factory: pytest.TempPathFactory, vendor: Provider, workspace: Workspace
) -> Iterator[Gateway]:
    """Run a proxy with the environment of LiteLLM's page."""
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
    """The client gets the same response as without tracing."""
    answer = ask(traced, tag)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "You said: hello"


def test_trace_goes_to_the_experiment(traced: Gateway, workspace: Workspace, tag: str) -> None:
    """The trace is sent to the experiment's id, with its user and its state."""
    ask(traced, tag)
    info = workspace.trace(tag)
    place = info["trace_location"]["mlflow_experiment"]
    assert (place["experiment_id"], info["state"]) == (EXPERIMENT_ID, "OK")
    assert info["tags"]["user_api_key_team_alias"] == "Research"
    assert "hello" in info["request_preview"]


def test_traces_are_sent_with_the_token(traced: Gateway, workspace: Workspace, tag: str) -> None:
    """Each request to the workspace has the token."""
    ask(traced, tag)
    workspace.trace(tag)
    assert {authorization for _, authorization, _ in workspace.received} == {f"Bearer {TOKEN}"}


def test_token_is_in_no_trace(traced: Gateway, workspace: Workspace, tag: str) -> None:
    """Neither the token nor the client's key is in a trace."""
    ask(traced, tag)
    told = json.dumps(workspace.trace(tag))
    assert TOKEN not in told
    assert VIRTUAL_KEY not in told


def test_callers_trace_is_not_joined(traced: Gateway, workspace: Workspace, tag: str) -> None:
    """MLflow sends Databricks no separate spans, so a merged request would be lost."""
    ask(traced, tag, traceparent=f"00-{TRACE_ID}-b7ad6b7169203331-01")
    assert workspace.trace(tag)["trace_id"] != f"tr-{TRACE_ID}"
