"""DSPy: its language models call LiteLLM if configured so, and its embedder always does."""

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
    """Make a language model before tracing is on: tests request this fixture first."""
    return dspy.LM(MODEL, engine="litellm", cache=False, num_retries=0, **known)


def program(lm: dspy.LM) -> dspy.Predict:
    """Return a program that needs one call for its response."""
    predict = dspy.Predict("question -> answer")
    predict.set_lm(lm)
    return predict


@pytest.fixture(autouse=True)
def _one_call_a_program() -> Iterator[None]:
    """Make DSPy request JSON, which the provider returns; its own format takes two calls."""
    # Not dspy.context(): inside it, MLflow's later configuration has no effect.
    dspy.configure(adapter=dspy.JSONAdapter())
    yield
    dspy.configure(adapter=None)


def test_call_is_one_span(lm: dspy.LM, tracing: Traces, answered: Callable) -> None:
    """A call is one span with the provider's tokens."""
    assert lm("hello") == ["You said: hello"]
    assert tracing.span().name == "litellm-completion"
    assert tracing.one().info.token_usage == answered()


def test_asynchronous_call_is_one_span(
    lm: dspy.LM, tracing: Traces, answered: Callable, run: Callable
) -> None:
    """An async call is one span too, of the async function."""
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
    """Calls of other APIs are one span of the function that DSPy calls."""
    how = {"engine": "litellm", "cache": False, "num_retries": 0}
    dspy.LM(MODEL, model_type=kind, **how, **known)("hello")
    assert tracing.span().name == name
    assert answered().items() <= tracing.one().info.token_usage.items()


def test_embedder_is_traced(known: dict[str, Any], tracing: Traces) -> None:
    """The embedder always calls LiteLLM, so it is traced."""
    dspy.Embedder("openai/text-embedding-3-small", caching=False, **known)(["hello"])
    assert tracing.span().name == "litellm-embedding"


def test_call_that_dspy_makes_by_itself_is_none_of_litellms(
    known: dict[str, Any], tracing: Traces
) -> None:
    """A call that DSPy makes without LiteLLM, as it prefers to from 3.4 on, is not traced."""
    lm = dspy.LM(MODEL, cache=False, num_retries=0, **known)
    assert lm("hello") == ["You said: hello"]
    assert tracing.all() == []


@pytest.mark.parametrize("track_usage", [False, True])
def test_calls_are_below_mlflows_span_of_the_model(
    track_usage: bool, lm: dspy.LM, tracing: Traces, flavor: Callable, answered: Callable
) -> None:
    """The call is below MLflow's span and counted once, also if DSPy counts tokens too."""
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
    """Async calls are below MLflow's span of the model too."""
    flavor("dspy")
    assert run(lambda: program(lm).acall(question="hello")).answer == "yes"
    spans = {span.name: span for span in tracing.one().data.spans}
    assert spans["litellm-acompletion"].parent_id == spans["LM.__call__"].span_id
    assert tracing.one().info.token_usage == answered()


def test_answer_in_a_second_call_is_counted_once(
    lm: dspy.LM, tracing: Traces, flavor: Callable, answered: Callable
) -> None:
    """DSPy repeats the call for JSON if its own format fails; each call is counted once."""
    flavor("dspy")
    with dspy.context(adapter=dspy.ChatAdapter(), track_usage=True):
        assert program(lm)(question="hello").answer == "yes"
    assert len(tracing.calls()) == 2
    assert tracing.one().info.token_usage == answered()


def read(lm: dspy.LM) -> Callable[[], Any]:
    """Return a function that reads a program's stream; DSPy requests its tokens to count."""

    async def read() -> list[Any]:
        with dspy.context(track_usage=True):
            return [part async for part in dspy.streamify(program(lm))(question="hello")]

    return read


def test_stream_is_one_span(
    lm: dspy.LM, tracing: Traces, answered: Callable, run: Callable
) -> None:
    """The stream's span ends with the stream."""
    assert run(read(lm))[-1].answer == "yes"
    assert tracing.span().attributes["stream_end"] == "finished"
    assert tracing.one().info.token_usage == answered()


def test_streams_are_below_mlflows_span_of_the_model(
    lm: dspy.LM, tracing: Traces, flavor: Callable, answered: Callable, run: Callable
) -> None:
    """Streams are below MLflow's span of the model, and counted once."""
    flavor("dspy")
    assert run(read(lm))[-1].answer == "yes"
    spans = {span.name: span for span in tracing.one().data.spans}
    assert spans["litellm-acompletion"].parent_id == spans["LM.__call__"].span_id
    assert tracing.one().info.token_usage == answered()


def test_calls_of_threads_are_below_mlflows_spans(
    lm: dspy.LM, tracing: Traces, flavor: Callable
) -> None:
    """Calls in threads are below MLflow's spans, as DSPy passes the context to them."""
    flavor("dspy")
    predict = program(lm)
    parallel = dspy.Parallel(num_threads=2, disable_progress_bar=True)
    parallel([(predict, {"question": "one"}), (predict, {"question": "two"})])
    for trace in tracing.all():
        spans = {span.name: span for span in trace.data.spans}
        assert spans["litellm-completion"].parent_id == spans["LM.__call__"].span_id
    assert len(tracing.calls()) == 2
