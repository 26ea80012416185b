"""DSPy: its language models call LiteLLM where they are told to, and its embedder always does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from callers import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from traces import Traces


@pytest.fixture
def lm(known: dict[str, Any]) -> dspy.LM:
    """Make a language model while nothing is traced yet: tests ask for it first."""
    return dspy.LM(MODEL, engine="litellm", cache=False, num_retries=0, **known)


def program(lm: dspy.LM) -> dspy.Predict:
    """Return a program that has its answer in one call."""
    predict = dspy.Predict("question -> answer")
    predict.set_lm(lm)
    return predict


@pytest.fixture(autouse=True)
def _one_call_a_program() -> Iterator[None]:
    """Have DSPy ask for JSON, which the provider answers; its own format takes two calls."""
    # Not dspy.context(): what MLflow configures later has no effect within.
    dspy.configure(adapter=dspy.JSONAdapter())
    yield
    dspy.configure(adapter=None)


def test_call_is_one_span(lm: dspy.LM, tracing: Traces, answered: Callable) -> None:
    """With the tokens that the provider counted."""
    assert lm("hello") == ["You said: hello"]
    assert tracing.span().name == "litellm-completion"
    assert tracing.one().info.token_usage == answered()


def test_asynchronous_call_is_one_span(
    lm: dspy.LM, tracing: Traces, answered: Callable, run: Callable
) -> None:
    """The same, of the other function."""
    assert run(lambda: lm.acall("hello")) == ["You said: hello"]
    assert tracing.span().name == "litellm-acompletion"
    assert tracing.one().info.token_usage == answered()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("text", "litellm-text_completion"), ("responses", "litellm-responses")],
)
def test_other_apis_are_one_span(
    kind: str, name: str, known: dict[str, Any], tracing: Traces, answered: Callable
) -> None:
    """Of the function that DSPy calls, whatever LiteLLM makes of it."""
    how = {"engine": "litellm", "cache": False, "num_retries": 0}
    dspy.LM(MODEL, model_type=kind, **how, **known)("hello")
    assert tracing.span().name == name
    assert answered().items() <= tracing.one().info.token_usage.items()


def test_embedder_is_traced(known: dict[str, Any], tracing: Traces) -> None:
    """It always calls LiteLLM."""
    dspy.Embedder("openai/text-embedding-3-small", caching=False, **known)(["hello"])
    assert tracing.span().name == "litellm-embedding"


def test_call_that_dspy_makes_by_itself_is_none_of_litellms(
    known: dict[str, Any], tracing: Traces
) -> None:
    """As it prefers to from 3.4 on."""
    lm = dspy.LM(MODEL, cache=False, num_retries=0, **known)
    assert lm("hello") == ["You said: hello"]
    assert tracing.all() == []


@pytest.mark.parametrize("track_usage", [False, True])
def test_calls_are_below_mlflows_span_of_the_model(
    track_usage: bool, lm: dspy.LM, tracing: Traces, flavor: Callable, answered: Callable
) -> None:
    """And counted once, also where DSPy counts too."""
    flavor("dspy")
    with dspy.context(track_usage=track_usage):
        assert program(lm)(question="hello").answer == "yes"
    spans = {span.name: span for span in tracing.one().data.spans}
    assert spans["LM.__call__"].parent_id == spans["Predict.forward"].span_id
    assert spans["litellm-completion"].parent_id == spans["LM.__call__"].span_id
    assert tracing.one().info.token_usage == answered()


def test_asynchronous_calls_are_below_mlflows_span_of_the_model(
    lm: dspy.LM, tracing: Traces, flavor: Callable, answered: Callable, run: Callable
) -> None:
    """The same, of the other function."""
    flavor("dspy")
    assert run(lambda: program(lm).acall(question="hello")).answer == "yes"
    spans = {span.name: span for span in tracing.one().data.spans}
    assert spans["litellm-acompletion"].parent_id == spans["LM.__call__"].span_id
    assert tracing.one().info.token_usage == answered()


def test_answer_in_a_second_call_is_counted_once(
    lm: dspy.LM, tracing: Traces, flavor: Callable, answered: Callable
) -> None:
    """DSPy asks for JSON where its own format is not answered."""
    flavor("dspy")
    with dspy.context(adapter=dspy.ChatAdapter(), track_usage=True):
        assert program(lm)(question="hello").answer == "yes"
    assert len(tracing.calls()) == 2
    assert tracing.one().info.token_usage == answered()


def read(lm: dspy.LM) -> Callable[[], Any]:
    """Return what reads a program's stream; DSPy asks for its tokens where it is to count."""

    async def read() -> list[Any]:
        with dspy.context(track_usage=True):
            return [part async for part in dspy.streamify(program(lm))(question="hello")]

    return read


def test_stream_is_one_span(
    lm: dspy.LM, tracing: Traces, answered: Callable, run: Callable
) -> None:
    """It ends with the stream."""
    assert run(read(lm))[-1].answer == "yes"
    assert tracing.span().attributes["stream_end"] == "finished"
    assert tracing.one().info.token_usage == answered()


def test_streams_are_below_mlflows_span_of_the_model(
    lm: dspy.LM, tracing: Traces, flavor: Callable, answered: Callable, run: Callable
) -> None:
    """And counted once."""
    flavor("dspy")
    assert run(read(lm))[-1].answer == "yes"
    spans = {span.name: span for span in tracing.one().data.spans}
    assert spans["litellm-acompletion"].parent_id == spans["LM.__call__"].span_id
    assert tracing.one().info.token_usage == answered()


def test_calls_of_threads_are_below_mlflows_spans(
    lm: dspy.LM, tracing: Traces, flavor: Callable
) -> None:
    """DSPy carries the context to them."""
    flavor("dspy")
    predict = program(lm)
    parallel = dspy.Parallel(num_threads=2, disable_progress_bar=True)
    parallel([(predict, {"question": "one"}), (predict, {"question": "two"})])
    for trace in tracing.all():
        spans = {span.name: span for span in trace.data.spans}
        assert spans["litellm-completion"].parent_id == spans["LM.__call__"].span_id
    assert len(tracing.calls()) == 2
