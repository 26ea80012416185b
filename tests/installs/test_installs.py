"""
All calls are traced with each of MLflow's packages, this package and LiteLLM, and nothing else.

``nox -s installs`` creates the environments, with the newest and the oldest supported versions, and
passes their folders in ``ENVIRONMENTS``.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from collectors import over_http
from mlflow import MlflowClient
from processes import TrackingServer, clean_environment

PACKAGES = {
    "tracing": {"mlflow-tracing"},
    "skinny": {"mlflow-skinny", "mlflow-tracing"},
    "full": {"mlflow", "mlflow-skinny", "mlflow-tracing"},
}
INSTALLED = """
from importlib.metadata import distributions
print(*(each.metadata["Name"] for each in distributions()))
"""
PROGRAM = """
import asyncio, litellm, mlflow

def chat(text, **more):
    messages = [{"role": "user", "content": text}]
    return dict(model="gpt-4o-mini", messages=messages, mock_response=f"{text} answered", **more)

async def main():
    await litellm.acompletion(**chat("async"))
    async for _ in await litellm.acompletion(**chat("async stream", stream=True)):
        pass

original = litellm.completion
mlflow.litellm.autolog()
litellm.completion(**chat("sync"))
for _ in litellm.completion(**chat("stream", stream=True)):
    pass
asyncio.run(main())
captured = [litellm.completion]
mlflow.litellm.autolog(disable=True)
assert litellm.completion is original is not captured[0]
litellm.completion(**chat("off"))
captured[0](**chat("off too"))
"""
ANSWERED = ["async answered", "async stream answered", "stream answered", "sync answered"]
# Pydantic's warnings of LiteLLM's own responses, for a LiteLLM older than pydantic.
UNHEARD = "ignore:Pydantic serializer warnings:UserWarning"
each_install = pytest.mark.parametrize("name", PACKAGES)


def start(
    name: str, folder: Path, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in one of the environments."""
    return subprocess.run(
        [Path(os.environ["ENVIRONMENTS"], name, "bin", "python"), *arguments],
        cwd=folder, env=clean_environment(PYTHONWARNINGS=UNHEARD, **settings),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def run(name: str, folder: Path, *arguments: str, **settings: str) -> str:
    """Run Python in one of the environments. It must succeed with no output on stderr."""
    done = start(name, folder, *arguments, **settings)
    said = [line for line in done.stderr.splitlines() if line and " INFO " not in line]
    assert (done.returncode, said) == (0, []), done.stdout
    return done.stdout


@each_install
def test_environment_has_that_of_mlflow_alone(name: str, tmp_path: Path) -> None:
    """The environment has only one of MLflow's packages, as the other tests require."""
    found = run(name, tmp_path, "-c", INSTALLED).split()
    assert {each for each in found if each.startswith("mlflow-") or each == "mlflow"} == PACKAGES[
        name
    ]
    assert "mlflow_litellm" in found


@each_install
def test_calls_reach_a_tracking_server(name: str, tracking: TrackingServer, tmp_path: Path) -> None:
    """Sync, async and streaming calls reach the server, and none does after tracing is off."""
    client = MlflowClient(tracking.uri)
    experiment = client.create_experiment(name)
    where = {"MLFLOW_TRACKING_URI": tracking.uri, "MLFLOW_EXPERIMENT_ID": experiment}
    run(name, tmp_path, "-c", PROGRAM, **where)
    spans = [span for trace in client.search_traces([experiment]) for span in trace.data.spans]
    answers = [span.outputs["choices"][0]["message"]["content"] for span in spans]
    assert sorted(answers) == ANSWERED


@each_install
def test_calls_reach_a_collector(name: str, tmp_path: Path) -> None:
    """Calls reach a collector over OTLP. MLflow requires a tracking URI nevertheless."""
    where = {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    with over_http() as collector:
        where["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = collector.endpoint
        run(name, tmp_path, "-c", PROGRAM, **where)
    assert len(collector.spans) == len(ANSWERED)
    assert [text for text in ANSWERED if text not in str(collector.spans)] == []


@each_install
def test_doctor_finds_all_well(name: str, tracking: TrackingServer, tmp_path: Path) -> None:
    """The doctor finds no problem if traces go to the server."""
    where = {"MLFLOW_TRACKING_URI": tracking.uri}
    assert "FAIL" not in run(name, tmp_path, "-m", "mlflow_litellm", "doctor", **where)


@each_install
def test_demo_sends_its_traces_to_a_server(
    name: str, tracking: TrackingServer, tmp_path: Path
) -> None:
    """The demo needs no local store and no rich; its last line is the address of the traces."""
    where = {"MLFLOW_TRACKING_URI": tracking.uri}
    printed = run(name, tmp_path, "-m", "mlflow_litellm", "demo", **where)
    assert "└─ litellm-Router.completion" in printed
    assert printed.splitlines()[-1].startswith(f"Open {tracking.uri}/#/experiments/")


def test_demo_tells_what_mlflow_lacks_to_store_traces(tmp_path: Path) -> None:
    """Without a server and without MLflow in full, one line has the problem and its remedy."""
    done = start("tracing", tmp_path, "-m", "mlflow_litellm", "demo")
    [line] = done.stderr.splitlines()
    assert done.returncode == 2
    assert "needs MLflow in full" in line
    assert "pip install 'mlflow>=3.13,<4'" in line


def test_doctor_tells_what_mlflow_lacks_to_start_a_span(tmp_path: Path) -> None:
    """The doctor reports that MLflow requires its local store even if traces go to a collector."""
    with over_http() as collector:
        where = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.endpoint}
        done = start("tracing", tmp_path, "-m", "mlflow_litellm", "doctor", **where)
    assert done.returncode == 1
    assert "FAIL  MLflow starts no span" in done.stdout


LOST = """
import litellm, mlflow, mlflow_litellm
mlflow.litellm.autolog()
for _ in range(3):
    messages = [{"role": "user", "content": "hi"}]
    answer = litellm.completion(model="gpt-4o-mini", messages=messages, mock_response="hello")
    assert answer.choices[0].message.content == "hello"
mlflow.flush_trace_async_logging()
health = mlflow_litellm.health()
print(health.calls, sum(health.calls_lost.values()), health.has_losses)
print(*health.calls_lost)
"""


def test_calls_are_lost_and_counted_without_a_server(tmp_path: Path) -> None:
    """Without a server or local store, calls are counted as lost, with one message and a remedy."""
    done = start("tracing", tmp_path, "-c", LOST)
    counts, *reasons = done.stdout.splitlines()
    assert (done.returncode, counts) == (0, "0 3 True"), done.stderr
    assert reasons == ["ModuleNotFoundError"]
    [said] = [line for line in done.stderr.splitlines() if "calls are not traced" in line]
    assert "pip install 'mlflow>=3.13,<4'" in said
    assert "MLFLOW_TRACKING_URI" in said
