"""Calls that MLflow makes for itself leave no trace; calls of the user's code do."""

from __future__ import annotations

import _thread
import functools
import threading
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, user
from mlflow.genai import judges, make_judge, scorers
from mlflow.genai.optimize import GepaPromptOptimizer
from mlflow.genai.simulators import ConversationSimulator
from scripts import succeed

from mlflow_litellm._common.patching import PatchedFunction
from mlflow_litellm._instrumentation.callers import is_mlflows_own

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from provider import LoopbackProvider
    from traces import Traces

# MLflow calls most providers itself; this is one for which it uses LiteLLM.
JUDGE = "hosted_vllm:/judge"


@pytest.fixture(autouse=True)
def _environment(provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Direct LiteLLM to the provider for calls that name no address, as MLflow's do."""
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", provider.openai_base)
    monkeypatch.setenv("OPENAI_API_BASE", provider.openai_base)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")


@pytest.fixture
def asked(provider: LoopbackProvider) -> Callable[[str], int]:
    """Count a test's requests for a model."""
    before = len(provider.requests)

    def count(model: str) -> int:
        return [request.body["model"] for request in provider.requests[before:]].count(model)

    return count


def ask(question: str) -> str:
    """Return the response of a call, as a user's function under evaluation does."""
    return litellm.completion(model=MODEL, messages=user(question)).choices[0].message.content


def test_judge_leaves_no_trace(tracing: Traces, asked: Callable[[str], int]) -> None:
    """The judge returns its verdict, and there is no trace."""
    judge = make_judge(name="good", instructions="Is {{ outputs }} good?", model=JUDGE)
    assert judge(outputs="hello").value == "yes"
    assert asked("judge") == 1
    assert tracing.all() == []


def test_judge_adds_no_span_to_the_users_trace(tracing: Traces) -> None:
    """The user's code calls the judge, and the judge calls LiteLLM."""
    with mlflow.start_span("users"):
        verdict = judges.meets_guidelines(
            guidelines="Be nice.", context={"response": "hello"}, model=JUDGE
        )
        ask("hello")
    assert str(verdict.value) == "yes"
    assert [span.name for span in tracing.one().data.spans] == ["users", "litellm-completion"]


def test_judge_that_falls_back_leaves_no_trace(
    tracing: Traces, asked: Callable[[str], int]
) -> None:
    """LiteLLM itself then calls ``acompletion``, once for each model."""
    judge = make_judge(
        name="good",
        instructions="Is {{ outputs }} good?",
        model=JUDGE,
        inference_params={"fallbacks": ["hosted_vllm/other"]},
    )
    assert judge(outputs="hello").value == "yes"
    assert asked("judge") == 1
    assert tracing.all() == []


def test_evaluation_traces_what_is_evaluated_and_no_judge(
    tracing: Traces, asked: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row has one trace; calls of a user's scorer are traced if scorers are traced."""
    monkeypatch.setenv("MLFLOW_GENAI_EVAL_ENABLE_SCORER_TRACING", "true")

    @scorers.scorer
    def mine(outputs: str) -> str:
        return ask(f"/say | {outputs}?")

    mlflow.genai.evaluate(
        data=[{"inputs": {"question": question}} for question in ("one", "two")],
        predict_fn=ask,
        scorers=[scorers.Safety(model=JUDGE), scorers.RelevanceToQuery(model=JUDGE), mine],
    )
    assert asked("judge") == 4
    names = sorted(trace.data.spans[0].name for trace in tracing.all())
    assert names == [
        *["litellm-completion"] * 2,
        *["mine"] * 2,
        *["relevance_to_query"] * 2,
        *["safety"] * 2,
    ]
    questions = sorted(span.inputs["messages"][0]["content"] for span in tracing.calls())
    assert questions == ["/say | You said: one?", "/say | You said: two?", "one", "two"]


def test_evaluated_function_of_litellms_own_is_traced(tracing: Traces) -> None:
    """MLflow calls LiteLLM's function directly, but for the user."""
    mlflow.genai.evaluate(
        data=[{"inputs": {"messages": user("hello")}}],
        predict_fn=functools.partial(litellm.completion, model=MODEL),
        scorers=[scorers.Safety(model=JUDGE)],
    )
    [call] = tracing.calls()
    assert call.inputs["messages"] == user("hello")


def test_traced_function_has_its_calls_traced(tracing: Traces) -> None:
    """A call in a function under MLflow's decorator is traced."""
    mlflow.trace(ask)("hello")
    assert [span.name for span in tracing.one().data.spans] == ["ask", "litellm-completion"]


def test_model_has_its_calls_traced(tracing: Traces, tmp_path: Path) -> None:
    """A call in a model that MLflow's wrapper runs is traced."""

    class Model(mlflow.pyfunc.PythonModel):
        def predict(self, model_input: list[str]) -> list[str]:
            return [ask(question) for question in model_input]

    mlflow.pyfunc.save_model(tmp_path / "model", python_model=Model(), pip_requirements=[])
    mlflow.pyfunc.load_model(tmp_path / "model").predict(["one", "two"])
    assert [call.inputs["messages"] for call in tracing.calls()] == [user("one"), user("two")]


def test_simulated_user_leaves_no_trace_and_the_conversation_does(
    tracing: Traces, asked: Callable[[str], int]
) -> None:
    """The calls of the simulated user are MLflow's; the calls of the agent are the user's."""

    def answer(input: list[dict[str, Any]], **_: Any) -> str:  # noqa: A002
        return ask(input[-1]["content"])

    simulator = ConversationSimulator(
        test_cases=[{"goal": "hear hello"}], user_model=JUDGE, max_turns=1
    )
    simulator.simulate(answer)
    assert asked("judge") > 0
    assert len(tracing.calls()) == asked("gpt-4o-mini") > 0


def test_optimizer_leaves_traces_of_what_it_optimizes_alone(
    tracing: Traces, asked: Callable[[str], int]
) -> None:
    """Another library makes the optimizer's own calls, and they leave no trace."""
    pytest.importorskip("gepa")
    prompt = mlflow.genai.register_prompt(name="question", template="Answer {{ question }}")

    def answer(question: str) -> str:
        return ask(mlflow.genai.load_prompt(prompt.uri).format(question=question))

    @scorers.scorer
    def poor(outputs: str) -> float:
        return 0.1

    mlflow.genai.optimize_prompts(
        predict_fn=answer,
        train_data=[{"inputs": {"question": "one"}, "outputs": "1"}],
        prompt_uris=[prompt.uri],
        optimizer=GepaPromptOptimizer("openai:/gpt-4o", max_metric_calls=4),
        scorers=[poor],
    )
    assert asked("gpt-4o") > 0
    assert {call.inputs["model"] for call in tracing.calls()} == {MODEL}


@pytest.mark.parametrize(
    ("stack", "own"),
    [
        (["mlflow.genai.scorers.llm_backend"], True),
        (["instructor.core", "ragas.llms", "mlflow.genai.scorers.ragas"], True),
        (
            ["ragas.llms", "asyncio.events", "mlflow.genai.utils.x", "mlflow.genai.scorers.ragas"],
            True,
        ),
        (["dspy.clients.lm", "users.agent", "mlflow.genai.judges.optimizers.dspy"], False),
        (["dspy.clients.lm", "mlflow.genai.utils.x", "mlflow.genai.evaluation.harness"], False),
        (["litellm.router", "mlflow.genai.scorers.base"], False),
        (["litellm.router"] * 150 + ["mlflow.genai.judges.judge"], False),
        ([None, "mlflow.genai.judges.judge"], False),
    ],
    ids=["judge", "carried", "async", "user", "program", "scorer", "deep", "nameless"],
)
def test_nearest_code_that_carries_no_calls_decides(stack: list[str | None], own: bool) -> None:
    """The stack has modules that call one another, innermost first; some are not installed here."""

    def told() -> bool:
        return is_mlflows_own()

    call = told
    for name in stack:
        module: dict[str, Any] = {"__name__": name, "call": call}
        exec("def calling(): return call()", module)
        call = module["calling"]
    assert call() is own


@pytest.mark.parametrize("extensions", ["", "true"], ids=["c", "python"])
def test_judge_is_told_with_either_build_of_wrapt(
    extensions: str, provider: LoopbackProvider, tmp_path: Path
) -> None:
    """wrapt's build in Python has frames of its own on the stack."""
    environment = {"WRAPT_DISABLE_EXTENSIONS": extensions} if extensions else {}
    said = succeed(
        f"""
        import litellm, mlflow
        from mlflow.genai import make_judge

        mlflow.litellm.autolog()
        judge = make_judge(name="good", instructions="Is {{{{ outputs }}}} good?", model="{JUDGE}")
        print(judge(outputs="hello").value)
        litellm.completion(model="{MODEL}", messages={user("hello")})
        traces = mlflow.search_traces(return_type="list")
        print([span.name for trace in traces for span in trace.data.spans])
        """,
        tmp_path,
        MLFLOW_ENABLE_ASYNC_TRACE_LOGGING="false",
        **environment,
    )
    assert said.splitlines() == ["yes", "['litellm-completion']"]


def test_call_that_a_thread_begins_with_is_nobody_elses() -> None:
    """A call that is a thread's first function has no frame of a caller."""
    done = threading.Event()
    told: list[bool] = []

    def is_enabled() -> bool:
        told.append(is_mlflows_own())
        return False

    _thread.start_new_thread(PatchedFunction("x:y", done.set, lambda *_: None, is_enabled), ())
    assert done.wait(10)
    assert told == [False]


def test_python_without_a_stack_to_read_hides_nothing(tmp_path: Path) -> None:
    """If the stack cannot be read, the call is traced."""
    said = succeed(
        """
        import sys

        _getframe = sys._getframe
        del sys._getframe
        from mlflow_litellm._instrumentation import callers as callers_module

        sys._getframe = _getframe
        judge = {"__name__": "mlflow.genai.judges.judge", "told": callers_module.is_mlflows_own}
        exec("def asked(): return told()", judge)
        print((lambda: judge["asked"]())())
        """,
        tmp_path,
    )
    assert said.splitlines() == ["False"]
