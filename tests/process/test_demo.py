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

import litellm
import openai
import pytest
from mlflow import MlflowClient
from processes import until

from mlflow_litellm import __main__
from mlflow_litellm._cli import demo as demo_module
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


LOADING = "Loading LiteLLM and MLflow ..."
# The spans of the demo's trace in their order, without the characters of the tree.
SPANS = """
demo AGENT
litellm-embedding EMBEDDING text-embedding-3-small
litellm-completion LLM gpt-4o-mini
litellm-acompletion LLM gpt-4o-mini
litellm-completion LLM gpt-4o-mini stream
tool loop AGENT
litellm-completion LLM gpt-4o-mini
inhabitants TOOL
litellm-completion LLM gpt-4o-mini
litellm-Router.completion CHAIN fast
litellm-completion LLM gpt-4o-mini ERROR
litellm-completion LLM mistral/mistral-medium
""".strip().splitlines()


def heads(tree: list[str]) -> list[str]:
    """Return the first line of each span of a printed tree, without the numbers."""
    lines = [re.sub(r"^[│├└─ ]+", "", line) for line in tree]
    return [re.sub(r" +[\d,]+ ms.*| {2}", " ", line).strip() for line in lines if " ms" in line]


def test_it_prints_each_span_with_its_kind_model_and_status(
    demo: subprocess.CompletedProcess[str], home: Path
) -> None:
    """Both traces are printed within 80 columns, and nothing is printed on stderr."""
    assert (0, "") == (demo.returncode, demo.stderr)
    loading, making, *_ = demo.stdout.splitlines()
    assert LOADING == loading
    store = f"sqlite:///{home / 'mlflow.db'}"
    assert making.startswith(f"Making the tables of {store}. This is done once")
    _, first, second, end = demo.stdout.split("\n\n")[1:5]
    assert SPANS == heads(first.splitlines())
    assert ["litellm-completion LLM gpt-4o-mini ERROR"] == heads(second.splitlines())
    assert max(map(len, [*first.splitlines(), *second.splitlines()])) == 80
    assert f"Stored in {store}, experiment {EXPERIMENT!r}." == " ".join(end.split())


def test_it_prints_tokens_cost_and_answers(demo: subprocess.CompletedProcess[str]) -> None:
    """The root has the sums; each span has its own tokens, cost, and response or whole error."""
    printed = re.sub(r"[│├└─ ]+", " ", demo.stdout)
    assert re.search(
        r"demo AGENT [\d,]+ ms 7\d in, 1\d\d out\n 2,100,000 people live there\. \$0\.", printed
    )
    assert re.search(
        r"LLM gpt-4o-mini \d+ ms 10 in, 20 out\n A call, from start to end\. \$0\.", printed
    )
    assert "a vector of 3 numbers" in printed
    assert 'inhabitants({"city": "Paris"})' in printed
    assert 2 == printed.count("litellm.RateLimitError: this is a mock rate limit error\n")
    assert re.search("user ada, session demo-[0-9a-f]{8}, tag example=demo\n", printed)


def test_it_ends_with_the_two_steps_that_open_the_ui(
    demo: subprocess.CompletedProcess[str], home: Path
) -> None:
    """The printed command has this interpreter, the store, and options for a small server."""
    start, *command, browse = demo.stdout.rpartition("\n\n")[2].splitlines()
    assert "1. Start MLflow's UI. Ctrl-C stops it." == start
    [port] = re.findall(r"^2\. Open http://localhost:(\d+)/#/experiments/1/traces$", browse)
    variables = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false LITELLM_LOCAL_MODEL_COST_MAP=True"
    server = f"{sys.executable} -m mlflow server --workers 1 --port {port}"
    expected = f"{variables} {server} --backend-store-uri sqlite:///{home / 'mlflow.db'}"
    assert expected.split() == " ".join(command).replace("\\", " ").split()


def test_its_first_line_comes_before_the_imports(tmp_path: Path) -> None:
    """The status line is printed although LiteLLM cannot be imported, which takes seconds."""
    (tmp_path / "litellm.py").write_text("raise ImportError('a broken litellm')")
    done = run(tmp_path, "demo", PYTHONPATH=str(tmp_path))
    assert (2, LOADING) == (done.returncode, done.stdout.strip())
    problem = (
        "tracing cannot be switched on (a broken litellm): run python -m mlflow_litellm doctor"
    )
    assert problem in done.stderr


def test_port_of_the_command_is_a_free_one() -> None:
    """The printed command has MLflow's usual port, unless a process listens on it."""
    with suppress(OSError), socket.create_server(("127.0.0.1", store_module.USUAL_PORT)):
        assert store_module.free_port() != store_module.USUAL_PORT


def test_its_calls_are_children_of_one_root(stored: list[Trace]) -> None:
    """The root has an input and an output; the Router's attempts are below the Router's span."""
    spans = sorted(stored[1].data.spans, key=lambda span: span.start_time_ns)
    root, *children = [span for span in spans if span.parent_id in {None, spans[0].span_id}]
    assert {"question": "How many people live in Paris?"} == root.inputs
    assert "2,100,000 people live there." == root.outputs
    assert ["EMBEDDING", "LLM", "LLM", "LLM", "AGENT", "CHAIN"] == [
        span.span_type for span in children
    ]
    attempts = [span for span in spans if span.parent_id == children[-1].span_id]
    assert ["ERROR", "OK"] == [span.status.status_code.value for span in attempts]


def test_its_failing_call_is_a_trace_with_an_error(stored: list[Trace]) -> None:
    """The failed call is the first of two traces: the other one is the first row of the UI."""
    assert ["ERROR", "OK"] == [trace.info.state.value for trace in stored]
    [span] = stored[0].data.spans
    assert "RateLimitError" in span.status.description


def test_its_traces_have_the_same_user_session_and_tag(stored: list[Trace]) -> None:
    """Both traces can be found by user, session and tag."""
    assert ["demo", "demo"] == [trace.info.tags["example"] for trace in stored]
    assert ["ada", "ada"] == [trace.info.trace_metadata["mlflow.trace.user"] for trace in stored]
    sessions = {trace.info.trace_metadata["mlflow.trace.session"] for trace in stored}
    assert 1 == len(sessions)


def test_it_calls_a_real_provider(tmp_path: Path, provider: LoopbackProvider) -> None:
    """With --model, the same calls are sent to the provider."""
    variables = {"OPENAI_API_KEY": "sk-none", "OPENAI_API_BASE": provider.openai_base}
    earlier = len(provider.requests)
    done = run(tmp_path, "demo", "--model", "openai/gpt-4o-mini", **variables)
    assert 0 == done.returncode, done.stderr
    assert "A call, from start to end." not in done.stdout
    models = [request.body["model"] for request in provider.requests[earlier:]]
    # Of the failing call, and of the Router's first deployment.
    assert ["gpt-4o-mini-that-does-not-exist"] * 2 == [models[0], models[-1]]
    assert 2 == len(stored_in(tmp_path))


def test_endpoint_that_is_down_is_named_as_the_cause(tmp_path: Path) -> None:
    """If nothing listens at the model's address, the remedy is the network, not another model."""
    base = f"http://127.0.0.1:{closed_port()}"
    done = run(tmp_path, "demo", "--model", "openai/m", OPENAI_API_KEY="none", OPENAI_API_BASE=base)
    assert 2 == done.returncode
    [line] = done.stderr.splitlines()
    assert line.startswith("python -m mlflow_litellm demo: a call of openai/m failed (litellm.")
    assert line.endswith(
        "its endpoint cannot be reached: check its address, the network and any proxy"
    )


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "check the key"), (404, "name another --model"), (429, "wait"), (500, "try another")],
)
def test_refused_call_has_a_remedy(provider: LoopbackProvider, status: int, remedy: str) -> None:
    """A call that the provider refuses has the remedy of the provider's status."""
    asked = [{"role": "user", "content": f"/error {status} refused"}]
    where = {"api_key": "none", "api_base": provider.openai_base, "max_retries": 0}
    with pytest.raises(openai.OpenAIError) as refused:
        litellm.completion(model="openai/gpt-4o-mini", messages=asked, **where)
    assert remedy in demo_module.remedy(refused.value)


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
    assert (2, LOADING) == (done.returncode, done.stdout.strip())
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
    """Ctrl-C exits with status 130 and no error, also while the demo waits for a server."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = start(tmp_path, "demo", "--tracking-uri", uri)
        connection, _ = silent.accept()
        # The socket stays open, as otherwise the server closes the connection.
        with connection:
            process.send_signal(signal.SIGINT)
            assert (f"{LOADING}\n", "") == process.communicate(timeout=30)
        assert 130 == process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_demo_that_ends_as_tables_are_made_leaves_no_half_made_store(
    number: signal.Signals, tmp_path: Path
) -> None:
    """If the demo ends while tables are created, the next demo works in the same folder."""
    process = start(tmp_path, "demo")
    assert process.stdout
    assert process.stdout.readline().startswith("Loading ")
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
