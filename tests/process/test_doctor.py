"""``python -m mlflow_litellm doctor`` works in separate processes, and each of its checks works."""

from __future__ import annotations

import functools
import os
import re
import socket
import subprocess
import sys
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import mlflow.litellm
import pytest
import wrapt
from documents import ROOT
from mlflow import MlflowClient
from scripts import provide_store

from mlflow_litellm._cli import doctor, sending, versions
from mlflow_litellm._common.patching import Patch
from mlflow_litellm._instrumentation import autolog
from mlflow_litellm._tracing.health import counts

if TYPE_CHECKING:
    from pathlib import Path


def run(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the doctor in a directory, with no settings except `variables`."""
    ours = ("MLFLOW_", "LITELLM_", "OTEL_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", "mlflow_litellm", "doctor", *arguments],
        cwd=directory,
        env={**kept, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "COLUMNS": "100", **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory that the doctor without problems runs in."""
    return tmp_path_factory.mktemp("doctor")


@pytest.fixture(scope="module")
def healthy(home: Path) -> subprocess.CompletedProcess[str]:
    """Run the doctor once without any problem."""
    return run(home)


def test_all_is_well(healthy: subprocess.CompletedProcess[str], home: Path) -> None:
    """Versions, patches and the traces' store are printed, and the exit status is 0."""
    assert (0, "") == (healthy.returncode, healthy.stderr)
    assert "FAIL" not in healthy.stdout
    assert f"litellm {metadata.version('litellm')}, wrapt" in healthy.stdout
    assert "ok    mlflow.litellm.autolog is this package's" in healthy.stdout
    assert re.search(r"ok    traced: \d+ of LiteLLM's functions\n", healthy.stdout)
    unfolded = " ".join(healthy.stdout.split())
    assert f"ok traces go to sqlite:///{home / 'mlflow.db'}" in unfolded
    assert "this package was tested with these versions" in unfolded
    looked, tested = healthy.stdout.split("\nTested:\n")
    assert looked.startswith("Looked at:\n")
    assert "traced: " in tested
    assert "No trace was sent: add --send" in healthy.stdout.splitlines()[-1]


@pytest.mark.usefixtures("healthy")
def test_nothing_is_left_behind(home: Path) -> None:
    """The doctor creates no store and no trace."""
    assert [] == list(home.iterdir())


def test_sent_trace_is_read_back(tmp_path: Path) -> None:
    """With --send, one trace is stored and read back, and the time of that is printed."""
    provide_store(tmp_path)
    done = run(tmp_path, "--send")
    assert (0, "") == (done.returncode, done.stderr)
    unfolded = " ".join(done.stdout.split())
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    [sent] = re.findall(
        rf"ok a trace was sent to {store} and read back after [\d.]+ s: (\S+)", unfolded
    )
    [trace] = MlflowClient(store).search_traces(locations=["0"])
    assert sent == trace.info.trace_id
    assert "doctor" == trace.info.tags["example"]
    assert "Calls are traced." in done.stdout.splitlines()[-1]


def test_no_trace_is_sent_despite_a_problem(tmp_path: Path) -> None:
    """With --send, a problem that was found is named, and no trace is sent."""
    done = run(tmp_path, "--send", "--tracking-uri", "localhost:5000", OTEL_SDK_DISABLED="true")
    assert (1, "") == (done.returncode, done.stderr)
    assert (
        "FAIL  the address localhost:5000 has no scheme\n      -> write http://localhost:5000"
        in done.stdout
    )
    assert "FAIL  MLflow records no traces, because OTEL_SDK_DISABLED is true" in done.stdout
    assert "note  no trace was sent" in done.stdout
    assert [] == list(tmp_path.iterdir())


def test_trace_that_does_not_arrive_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace that the store does not have is a failure."""
    monkeypatch.setattr(sending.store, "ask", lambda question: None)
    assert "FAIL" == sending._read_back("tr-1", 0.0).mark


@pytest.mark.usefixtures("traces")
def test_call_that_is_not_sampled_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call without a trace is a failure, unless it was sampled out."""
    # The doctor counts from the start of its process.
    counts.reset()
    assert "FAIL" == sending._no_trace().mark
    monkeypatch.setenv("MLFLOW_TRACE_SAMPLING_RATIO", "0")
    mlflow.tracing.reset()
    mlflow.litellm.autolog()
    try:
        assert "note" == next(sending.send()).mark
    finally:
        monkeypatch.undo()
        mlflow.tracing.reset()


def test_a_server_that_is_down_fails_soon(tmp_path: Path) -> None:
    """A stopped server is reported with a remedy within a minute, with exit status 1."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
    started = time.monotonic()
    done = run(tmp_path, "--tracking-uri", uri)
    assert (1, "") == (done.returncode, done.stderr)
    assert f"FAIL  the tracking server {uri} does not answer (Connection refused)" in done.stdout
    assert "\n      -> start it with: mlflow server, or name another place" in done.stdout
    assert time.monotonic() - started < 60


def test_a_server_that_stays_silent_fails_soon(tmp_path: Path) -> None:
    """A silent server is given up within a minute, although it accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        done = run(tmp_path, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert (1, "") == (done.returncode, done.stderr)
    assert "does not answer (timed out)" in done.stdout
    assert time.monotonic() - started < 60


def test_no_takeover_fails(tmp_path: Path) -> None:
    """The variable that disables the takeover is reported, with exit status 1."""
    done = run(
        tmp_path,
        MLFLOW_LITELLM_TAKEOVER="false",
        MLFLOW_TRACE_SAMPLING_RATIO="0.1",
        MLFLOW_EXPERIMENT_ID="77",
        OTEL_SDK_DISABLED="false",
    )
    assert (1, "") == (done.returncode, done.stderr)
    assert "FAIL  mlflow.litellm.autolog is MLflow's own" in done.stdout
    assert "-> unset MLFLOW_LITELLM_TAKEOVER, or call mlflow_litellm.autolog()" in done.stdout
    assert "note  a share of 0.1 of all traces is kept" in done.stdout
    assert "has no experiment with the id 77" in " ".join(done.stdout.split())


def findings(**installed: str) -> dict[str, str]:
    """Return the remedies of the problems with these versions, by mark and text."""
    found = [*versions.out_of_range(installed), *versions.overlaid(installed)]
    return {f"{finding.mark} {finding.text}": finding.remedy for finding in found}


GOOD = {"litellm": "1.106.2", "wrapt": "2.5.2", "mlflow-tracing": "3.17.2"}


@pytest.mark.parametrize(
    ("installed", "text", "remedy"),
    [
        ({"litellm": "1.82.8"}, "FAIL litellm 1.82.8 carried malware", "renew every secret"),
        ({"litellm": "1.71.9"}, "FAIL litellm 1.71.9 is older than 1.72", "litellm>=1.72,<2"),
        ({"wrapt": "1.16.0"}, "FAIL wrapt 1.16.0 is older than 1.17", "wrapt>=1.17,<3"),
        ({"mlflow-tracing": "4.0"}, "note mlflow-tracing 4.0 is newer", "mlflow-tracing>=3.13,<4"),
        (
            {"mlflow-skinny": "3.9.0", "mlflow-tracing": "3.17.2"},
            "FAIL mlflow-skinny 3.9.0 and mlflow-tracing 3.17.2 lay the same files",
            "mlflow-skinny==3.17.2 mlflow-tracing==3.17.2",
        ),
    ],
)
def test_versions_that_do_not_work_are_told(
    installed: dict[str, str], text: str, remedy: str
) -> None:
    """Each unsupported version is reported with the pip command that fixes it."""
    found = findings(**{**GOOD, **installed})
    [match] = [each for each in found if each.startswith(text)]
    assert remedy in found[match]


def test_versions_that_work_are_not_complained_of() -> None:
    """A supported version is not reported."""
    assert {} == findings(**GOOD)


def test_tested_versions_are_those_of_ci() -> None:
    """The doctor's list has the versions that nox and its dependency groups install."""
    noxfile, project = (ROOT / "noxfile.py").read_text(), (ROOT / "pyproject.toml").read_text()
    triples = re.findall(r'": \("([\d.]+)", "([\d.]+)", "([\d.]+)"\)', noxfile)
    pinned = re.findall(r'"litellm==([\d.]+)", "mlflow==([\d.]+)", "wrapt==([\d.]+)"', project)
    columns = map(set, zip(*triples, *pinned, strict=True))
    names = ("litellm", "mlflow-tracing", "wrapt")
    assert {name: set(versions.TESTED[name]) for name in names} == dict(
        zip(names, columns, strict=True)
    )
    classifiers = re.findall(r"Python :: (3\.\d+)", project)
    assert classifiers == list(versions.TESTED["Python"])


def test_versions_that_were_not_tested_are_named_with_their_neighbours() -> None:
    """An untested version is reported with the tested ones before and after it."""
    newest = {name: tested[-1] for name, tested in versions.TESTED.items()}
    assert "ok" == versions.tested(newest).mark
    found = versions.tested({**newest, "litellm": "1.105.0", "wrapt": "2.9.0"})
    assert (
        "litellm 1.105.0 (but with 1.103.11 and 1.108.7), wrapt 2.9.0 (but with 2.5.2)"
        in found.text
    )
    assert "note" == found.mark


def wrapper(function: Any) -> Any:
    """Wrap a function with functools, as other tracers do."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize("wrap", [wrapper, lambda f: wrapt.FunctionWrapper(f, print)])
def test_wrappers_of_others_are_named(wrap: Any) -> None:
    """Other wrappers are reported by the module of their code, as their __module__ is LiteLLM's."""
    expected = "builtins" if wrap is not wrapper else __name__
    assert [expected] == doctor.wrapped_by(wrap(litellm.completion))
    assert [] == doctor.wrapped_by(litellm.completion)
    mlflow.litellm.autolog()
    assert [] == doctor.wrapped_by(litellm.completion)


def test_each_patch_is_told() -> None:
    """Each patch is reported as traced, covered, missing in this version, or lost."""
    module = type(sys)("stand_in")
    vars(module).update(there=lambda: None, covered=lambda: None, lost=lambda: None)
    names = ("there", "covered", "gone", "lost")
    patches = [Patch(module, name, print, lambda: True) for name in names]
    for patch in patches:
        patch.apply()
    vars(module).update(covered=print, lost=patches[3].original)
    texts = [f"{finding.mark} {finding.text}" for finding in doctor.patched(patches)]
    assert "ok traced: 1 of LiteLLM's functions" == texts[0]
    assert "note covered by something" in texts[1]
    assert texts[1].endswith(": stand_in.covered")
    assert "FAIL not traced, as something put the original back: stand_in.lost" == texts[2]
    assert texts[3].endswith(": stand_in.gone")


@pytest.mark.parametrize(
    ("version", "text", "remedy"),
    [
        ("1.98.1", "not in this version of LiteLLM", "pip install -U litellm, if you call them"),
        ("1.200.0", "LiteLLM has removed these functions: a.b", "nothing: they cannot be called"),
    ],
)
def test_function_that_litellm_removed_needs_no_upgrade(
    version: str, text: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing function is new in a later LiteLLM, or removed by a LiteLLM newer than tested."""
    monkeypatch.setattr(versions, "_version", lambda name: version)
    found = doctor._missing(["a.b"])
    assert found.text.startswith(text)
    assert remedy == found.remedy


def test_long_list_is_cut() -> None:
    """Of many functions, the first ones and the number of the others are printed."""
    assert "a, b" == doctor._listed(["a", "b"])
    assert "0, 1, 2, 3, 4 and 5 more" == doctor._listed([str(number) for number in range(10)])


def test_callbacks_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's own callback is reported as replaced, and other callbacks as compatible."""
    monkeypatch.setattr(litellm, "success_callback", ["mlflow", "langfuse", wrapper])
    found = [finding.text for finding in doctor.other_callbacks(litellm)]
    where = "in litellm.success_callback,"
    assert f"MLflow's own callback, {where} is set aside while this package traces" == found[0]
    assert f"the callback langfuse, {where} sees calls as well" == found[1]
    assert f"the callback wrapper, {where} sees calls as well" == found[2]


def test_an_autolog_of_somebody_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another library's `autolog` is reported by its module."""
    monkeypatch.setattr(mlflow.litellm, "autolog", wrapper)
    [finding] = doctor._switch()
    assert "FAIL" == finding.mark
    assert f"but one from {__name__}" in finding.text
    assert mlflow.litellm.autolog is not autolog.autolog


def test_tracing_switched_off_in_mlflow_is_told() -> None:
    """Tracing that is disabled in MLflow is a failure, and the finding names what did it."""
    mlflow.tracing.disable()
    try:
        assert "FAIL" == doctor._recording().mark
        assert "mlflow.tracing.disable()" in doctor._recording().text
    finally:
        mlflow.tracing.enable()
    assert "ok" == doctor._recording().mark


@pytest.mark.parametrize("ratio", ["none", ""])
def test_a_sampling_ratio_that_is_no_number_is_told(
    ratio: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sampling ratio that is not a number is reported, as MLflow would start no span."""
    monkeypatch.setenv("MLFLOW_TRACE_SAMPLING_RATIO", ratio)
    assert "FAIL" == doctor._recording().mark


def test_a_collector_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """If traces go to a collector, the collector is checked instead of MLflow's store."""
    with socket.create_server(("127.0.0.1", 0)) as collector:
        endpoint = f"http://127.0.0.1:{collector.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        [finding] = doctor._destination()
    assert f"traces go to the OpenTelemetry collector {endpoint}, which answers" == finding.text
    [finding] = doctor._destination()
    assert "FAIL" == finding.mark
    assert "start it, or correct or unset OTEL_EXPORTER_OTLP_ENDPOINT" == finding.remedy


@pytest.mark.usefixtures("traces")
def test_the_experiment_of_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiment is reported by id, by an existing name, and by a missing name."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    assert "experiment 'Default' (id 0)" in doctor._destined_store().text
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "Default")
    assert "experiment 'Default' (id 0)" in doctor._destined_store().text
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "never made")
    assert "'never made', which is made with the first trace" in doctor._destined_store().text
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "987654321")
    assert "has no experiment with the id 987654321" in doctor._destined_store().text
