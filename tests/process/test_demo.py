"""``python -m mlflow_litellm demo`` works in separate processes, as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from processes import until

from mlflow_litellm import __main__
from mlflow_litellm._cli import store as store_module
from mlflow_litellm._tracing.store.errors import ProblemError

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Trace
    from provider import LoopbackProvider

EXPERIMENT = "mlflow_litellm demo"


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without the variables that a user may have set."""
    ours = ("MLFLOW_", "LITELLM_", "OPENAI_", "OTEL_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {**kept, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONIOENCODING": "utf-8", **more}


def run(
    directory: Path, *arguments: str, timeout: float = 100, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m mlflow_litellm`` in a directory."""
    return subprocess.run(
        [sys.executable, "-m", "mlflow_litellm", *arguments],
        cwd=directory,
        env=environment(**variables),
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def closed_port() -> int:
    """Return a port of the loopback that no process listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory that the demo runs in."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(home: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo once, without settings."""
    return run(home, "demo")


@pytest.fixture(scope="module")
def stored(home: Path, demo: subprocess.CompletedProcess[str]) -> list[Trace]:
    """Return the demo's traces from MLflow's default store, oldest first."""
    assert 0 == demo.returncode, demo.stderr
    return stored_in(home)


def stored_in(home: Path) -> list[Trace]:
    """Return the traces that a demo stored in a directory, oldest first."""
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return client.search_traces(locations=[experiment.experiment_id], order_by=["timestamp ASC"])


def test_it_prints_the_tree_and_nothing_on_stderr(
    demo: subprocess.CompletedProcess[str], home: Path
) -> None:
    """Both traces are printed within 100 columns, with tokens, cost, status and response."""
    assert (0, "") == (demo.returncode, demo.stderr)
    store = f"sqlite:///{home / 'mlflow.db'}"
    making, _, header, _, titles, root, *calls = demo.stdout.splitlines()
    assert making.startswith(f"Making the tables of {store}. This is done once")
    assert header == f"Stored in {store}, experiment {EXPERIMENT!r}:"
    assert ["time", "tokens", "cost", "status", "answer"] == titles.split()
    assert root.startswith("demo ")
    assert re.search(r"\d+ > \d+  \$0\.\d+  OK$", root)
    names = [line.split()[1] for line in calls[:6]]
    assert ["├─"] * 5 + ["└─"] == [line.split()[0] for line in calls[:6]]
    chat = "litellm-completion"
    assert [chat, "litellm-acompletion", chat, chat, "inhabitants", chat] == names
    assert re.search(r"\d+ > \d+  \$0\.\d+  OK      A call, from start to end\.$", calls[0])
    assert 'inhabitants({"city": "Paris"})' in calls[3]
    assert all(len(line) <= 100 for line in [titles, root, *calls[:8]])


def test_it_ends_with_the_command_that_opens_the_ui(
    demo: subprocess.CompletedProcess[str], home: Path
) -> None:
    """The printed command has this interpreter, the store, and options for a small server."""
    address, last = demo.stdout.splitlines()[-2:]
    [port] = re.findall(r"http://localhost:(\d+)/", address)
    store = f"sqlite:///{home / 'mlflow.db'}"
    command = f"{sys.executable} -m mlflow server --backend-store-uri {store}"
    variables = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false LITELLM_LOCAL_MODEL_COST_MAP=True"
    assert f"{variables} {command} --workers 1 --port {port}" == last


def test_port_of_the_command_is_a_free_one() -> None:
    """The printed command has MLflow's usual port, unless a process listens on it."""
    with suppress(OSError), socket.create_server(("127.0.0.1", store_module.USUAL_PORT)):
        assert store_module.free_port() != store_module.USUAL_PORT


def test_its_calls_are_children_of_one_root(stored: list[Trace]) -> None:
    """Sync, async, stream and tool calls are sibling spans in one trace, in order."""
    root, *children = sorted(stored[0].data.spans, key=lambda span: span.start_time_ns)
    assert "demo" == root.name
    assert [root.span_id] * 6 == [span.parent_id for span in children]
    types = ["LLM"] * 4 + ["TOOL", "LLM"]
    assert types == [span.span_type for span in children]
    assert 2_100_000 == children[4].outputs


def test_its_failing_call_is_a_trace_with_an_error(
    stored: list[Trace], demo: subprocess.CompletedProcess[str]
) -> None:
    """The failed call is the second of two traces, and its exception is printed."""
    assert ["OK", "ERROR"] == [trace.info.state.value for trace in stored]
    [span] = stored[1].data.spans
    assert "RateLimitError" in span.status.description
    assert "ERROR   litellm.RateLimitError" in demo.stdout


def test_it_calls_a_real_provider(tmp_path: Path, provider: LoopbackProvider) -> None:
    """With --model, the same calls are sent to the provider."""
    variables = {"OPENAI_API_KEY": "sk-none", "OPENAI_API_BASE": provider.openai_base}
    done = run(tmp_path, "demo", "--model", "openai/gpt-4o-mini", **variables)
    assert 0 == done.returncode, done.stderr
    assert "A call, from start to end." not in done.stdout
    assert "gpt-4o-mini-that-does-not-exist" == provider.requests[-1].body["model"]
    assert 2 == len(stored_in(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--model gpt-4o-mini", "'gpt-4o-mini' needs OPENAI_API_KEY in the environment: set that"),
        ("--model nonsense", "knows no provider for the model 'nonsense': put the provider before"),
        ("--tracking-uri nope://x", "cannot store anything in 'nope://x', only under "),
        ("--tracking-uri http://127.0.0.1:{port}", "does not answer (Connection refused): start"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(tmp_path: Path, arguments: str, said: str) -> None:
    """A wrong argument exits with status 2 and one line that has the problem and its remedy."""
    done = run(tmp_path, "demo", *arguments.format(port=closed_port()).split())
    assert (2, "") == (done.returncode, done.stdout)
    [line] = done.stderr.splitlines()
    assert line.startswith("python -m mlflow_litellm demo: ")
    assert said in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: demo|doctor"),
        (["dance"], "invalid choice: 'dance'"),
        (["demo", "--loud"], "unrecognized arguments: --loud"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage exits with status 2 and one line that points to the help."""
    with pytest.raises(SystemExit) as exited:
        __main__.main(arguments)
    assert 2 == exited.value.code
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert line.endswith("--help")


def start(home: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start ``python -m mlflow_litellm`` in a directory."""
    return subprocess.Popen(
        [sys.executable, "-m", "mlflow_litellm", *arguments],
        cwd=home, env=environment(**variables), stdout=-1, stderr=-1, text=True,
        # A shell that runs the tests in the background ignores the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    """Ctrl-C exits with status 130 and no output, also while the demo waits for a server."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = start(tmp_path, "demo", "--tracking-uri", uri)
        connection, _ = silent.accept()
        # The socket stays open, as otherwise the server closes the connection.
        with connection:
            process.send_signal(signal.SIGINT)
            assert ("", "") == process.communicate(timeout=30)
        assert 130 == process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_demo_that_ends_as_tables_are_made_leaves_no_half_made_store(
    number: signal.Signals, tmp_path: Path
) -> None:
    """If the demo ends while tables are created, the next demo works in the same folder."""
    process = start(tmp_path, "demo")
    assert process.stdout
    assert process.stdout.readline().startswith("Making the tables of ")
    until(lambda: list(tmp_path.glob("mlflow.db.*.unfinished")), 60, "the tables")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not (tmp_path / "mlflow.db").exists()
    done = run(tmp_path, "demo")
    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_store_of_its_own_is_not_interrupted(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """A signal takes effect after the store has responded."""
    received, answered = [], []

    def answer() -> None:
        signal.raise_signal(number)
        assert "Waiting for the store" in capsys.readouterr().err
        assert not received
        answered.append(True)

    before = signal.signal(number, lambda *_: received.append(number))
    try:
        store_module.ask(answer)
    finally:
        signal.signal(number, before)
    assert (answered, received) == ([True], [number])


def test_database_where_nobody_listens_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database without a server is reported at once, although MLflow would retry for minutes."""
    uri = f"postgresql://127.0.0.1:{closed_port()}/traces"
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: uri)
    with pytest.raises(ProblemError, match="Connection refused"):
        store_module.ask(lambda: pytest.fail("MLflow was asked"))


def test_server_that_stays_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent server is given up after its time limit, which is longer for other stores."""
    answer = threading.Event()
    monkeypatch.setattr(store_module, "PATIENCE_S", 0.01)
    assert not store_module.ask(lambda: answer.wait(0.1))
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: "http://127.0.0.1:9")
    with pytest.raises(ProblemError, match="did not answer in time"):
        store_module.ask(lambda: answer.wait(60))
    assert store_module.is_asking()
    answer.set()


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A printed tracking URI has its password masked."""
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: "http://me:secret@host:5000")
    assert "http://me:***@host:5000" == store_module.store_uri()
