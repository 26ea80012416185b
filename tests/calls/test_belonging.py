"""The run, the prompt, the model and the experiment that a trace belongs to."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from callers import AsyncCaller, SyncCaller
from mlflow.tracking import fluent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callers import Caller
    from mlflow.entities import Trace
    from mlflow.entities.model_registry import PromptVersion
    from provider import LoopbackProvider
    from traces import Traces

MODEL_ID = "mlflow.modelId"
SOURCE_RUN = "mlflow.sourceRun"


@pytest.fixture(params=["program", "id", "name"], autouse=True)
def experiment(
    request: pytest.FixtureRequest, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Choose the experiment in the program, or in the environment by id or by name."""
    if request.param == "program":
        return
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID")
    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    if request.param == "id":
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", traces.experiment_id)
    else:
        name = mlflow.get_experiment(traces.experiment_id).name
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)


@pytest.fixture
def prompt(tracing: Traces) -> PromptVersion:
    """Register a prompt for this test."""
    name = f"greeting-{tracing.experiment_id}"
    return mlflow.genai.register_prompt(name=name, template="Greet {{name}}")


@pytest.fixture
def model(tracing: Traces) -> Iterator[str]:
    """Set an active model, and return its id."""
    yield mlflow.set_active_model(name="agent").model_id
    mlflow.clear_active_model()


def ask(caller: Caller, text: str = "hello", *, stream: bool = False) -> None:
    """Make one call and read its response to the end."""
    (caller.stream if stream else caller.complete)(text)


def of_run(run_id: str) -> list[Trace]:
    """Return a run's traces by MLflow's search."""
    mlflow.flush_trace_async_logging()
    return mlflow.search_traces(run_id=run_id, return_type="list")


def linked(trace: Trace) -> list[dict[str, Any]]:
    """Return the prompts that a trace is linked to."""
    return json.loads(trace.info.tags.get("mlflow.linkedPrompts", "[]"))


@pytest.mark.parametrize("stream", [False, True])
def test_trace_belongs_to_the_active_run(stream: bool, tracing: Traces, caller: Caller) -> None:
    """A trace belongs to the active run and to its experiment; a later trace does not."""
    with mlflow.start_run() as run:
        ask(caller, stream=stream)
    ask(caller, "after")
    [trace] = of_run(run.info.run_id)
    inside, after = tracing.all()
    assert trace.info.trace_id == inside.info.trace_id
    assert trace.info.experiment_id == run.info.experiment_id == tracing.experiment_id
    assert SOURCE_RUN not in after.info.trace_metadata


def test_stream_read_after_its_run_belongs_to_it(tracing: Traces, caller: Caller) -> None:
    """The run that is active at the call counts, not the one at the stream's end."""
    with mlflow.start_run() as run:
        stream = caller.complete("hello", stream=True)
    caller.read(stream)
    [trace] = of_run(run.info.run_id)
    assert trace.data.spans[0].attributes["stream_end"] == "finished"


def test_trace_belongs_to_the_nested_run(tracing: Traces, caller: Caller) -> None:
    """A trace belongs to the nested run while that is active, and after it to the outer one."""
    with mlflow.start_run() as outer:
        with mlflow.start_run(nested=True) as inner:
            caller.complete("inner")
        caller.complete("outer")
    for run, text in ((inner, "inner"), (outer, "outer")):
        [trace] = of_run(run.info.run_id)
        assert trace.data.spans[0].inputs["messages"][0]["content"] == text


def test_call_in_another_thread_belongs_to_the_run(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """A worker has no run of its own, and MLflow takes the active run of another thread."""
    with mlflow.start_run() as run:
        worker = threading.Thread(target=SyncCaller(provider).complete, args=["hello"])
        worker.start()
        worker.join()
    assert len(of_run(run.info.run_id)) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_call_belongs_to_the_run_of_its_own_thread(
    stream: bool, tracing: Traces, provider: LoopbackProvider
) -> None:
    """With a run in each thread, a trace belongs to its thread's run, not to the latest one."""
    meeting = threading.Barrier(3)

    def work(number: int) -> str:
        with mlflow.start_run() as run:
            meeting.wait()
            ask(SyncCaller(provider), f"thread {number}", stream=stream)
            meeting.wait()
        return run.info.run_id

    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(work, range(3)))
    for number, run_id in enumerate(runs):
        [trace] = of_run(run_id)
        message = trace.data.spans[0].inputs["messages"][0]
        assert message["content"] == f"thread {number}"


def test_call_inside_the_users_trace_belongs_to_its_run(tracing: Traces, caller: Caller) -> None:
    """The run that is active when the trace starts counts."""
    with mlflow.start_run() as run, mlflow.start_span("agent"):
        caller.complete("hello")
    [trace] = of_run(run.info.run_id)
    assert [span.name for span in trace.data.spans] == ["agent", caller.span_name]


def test_prompt_loaded_in_the_traced_function_is_linked(
    tracing: Traces, prompt: PromptVersion, caller: Caller
) -> None:
    """A call in a traced function does not change the link to a prompt loaded there."""

    @mlflow.trace
    def greet() -> None:
        loaded = mlflow.genai.load_prompt(f"prompts:/{prompt.name}/{prompt.version}")
        caller.complete(loaded.format(name="Ada"))

    greet()
    trace = tracing.one()
    assert linked(trace) == [{"name": prompt.name, "version": "1"}]
    assert trace.data.spans[1].inputs["messages"][0]["content"] == "Greet Ada"


def test_prompt_loaded_during_the_call_is_linked(
    tracing: Traces, prompt: PromptVersion, caller: Caller
) -> None:
    """LiteLLM's logger loads the prompt here, while the call's span is the current root."""

    def note(_: dict[str, Any]) -> None:
        mlflow.genai.load_prompt(f"prompts:/{prompt.name}/{prompt.version}")

    caller.complete("hello", logger_fn=note, metadata={"tags": ["a:1"]})
    assert linked(tracing.one()) == [{"name": prompt.name, "version": "1"}]
    assert tracing.one().info.tags["a"] == "1"


def test_prompt_loaded_before_a_root_call_is_not_linked(
    tracing: Traces, prompt: PromptVersion, caller: Caller
) -> None:
    """MLflow links a prompt only to a trace that exists when the prompt is loaded."""
    loaded = mlflow.genai.load_prompt(f"prompts:/{prompt.name}/{prompt.version}")
    caller.complete(loaded.format(name="Ada"))
    assert linked(tracing.one()) == []


@pytest.mark.parametrize("stream", [False, True])
def test_active_model_is_linked(stream: bool, model: str, tracing: Traces, caller: Caller) -> None:
    """Calls are linked to the active model until it is cleared, and MLflow finds them by it."""
    ask(caller, stream=stream)
    mlflow.clear_active_model()
    ask(caller)
    [trace] = mlflow.search_traces(
        locations=[tracing.experiment_id], model_id=model, return_type="list"
    )
    of_model, other = tracing.all()
    assert trace.info.trace_id == of_model.info.trace_id
    assert of_model.info.trace_metadata[MODEL_ID] == model
    assert MODEL_ID not in other.info.trace_metadata


def test_all_at_once(
    model: str, tracing: Traces, prompt: PromptVersion, provider: LoopbackProvider
) -> None:
    """A run, a model, a context and a call's own tags do not interfere."""
    asked = {"metadata": {"tags": ["jobID:42"], "trace_user_id": "ada"}}
    with mlflow.start_run() as run, mlflow.tracing.context(session_id="s", tags={"team": "a"}):
        AsyncCaller(provider).complete("hello", **asked)
    [trace] = of_run(run.info.run_id)
    metadata, tags = trace.info.trace_metadata, trace.info.tags
    assert (metadata[SOURCE_RUN], metadata[MODEL_ID]) == (run.info.run_id, model)
    assert (metadata["mlflow.trace.session"], metadata["mlflow.trace.user"]) == ("s", "ada")
    assert (tags["jobID"], tags["team"]) == ("42", "a")
    assert trace.info.experiment_id == tracing.experiment_id
