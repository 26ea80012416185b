"""Text completions: their spans, whole and streamed, sync and async."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from callers import user
from kinds import SECRET, call, is_async, openai
from litellm.utils import TextCompletionStreamWrapper
from mlflow.entities import SpanStatusCode
from processes import until
from traces import answer_text, ending

from mlflow_litellm._payloads.kinds.table import TEXT_COMPLETION

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

MODEL = "text-completion-openai/gpt-3.5-turbo-instruct"
COUNTED = {"stream_options": {"include_usage": True}}


def complete(caller: Caller, prompt: Any, **kwargs: Any) -> Any:
    """Make one call and return its result."""
    known = {"model": MODEL, "prompt": prompt, "max_retries": 0}
    return call(caller, "text_completion", **openai(caller, **{**known, **kwargs}))


def texts(span: Any) -> list[str]:
    """Return the texts of the choices in a span's outputs."""
    return [choice["text"] for choice in span.outputs["choices"]]


def test_completion_is_one_llm_span(tracing: Traces, caller: Caller) -> None:
    """The span has request, response, tokens, cost, model and provider."""
    response = complete(caller, "hello", temperature=0.5, n=2)
    trace = tracing.one()
    [span] = trace.data.spans
    assert isinstance(response, litellm.TextCompletionResponse)
    assert span.name == f"litellm-{'a' if is_async(caller) else ''}text_completion"
    assert span.span_type == "LLM"
    assert span.inputs == {"model": MODEL, "prompt": "hello", "temperature": 0.5, "n": 2}
    assert texts(span) == ["You said: hello"] * 2
    assert span.outputs["object"] == "text_completion"
    assert span.attributes["finish_reasons"] == ["stop", "stop"]
    assert span.attributes["mlflow.llm.provider"] == "text-completion-openai"
    assert span.attributes["mlflow.llm.model"] == "gpt-3.5-turbo-instruct"
    assert trace.info.token_usage["total_tokens"] == response.usage.total_tokens
    cost = litellm.completion_cost(completion_response=response, model=MODEL)
    assert span.attributes["mlflow.llm.cost"]["total_cost"] == pytest.approx(cost)


@pytest.mark.parametrize("prompt", [["hello", "again"], [[1, 2, 3]]])
def test_prompts_of_any_shape_are_recorded(
    prompt: list[Any], tracing: Traces, caller: Caller
) -> None:
    """A prompt may have texts or tokens."""
    complete(caller, prompt)
    assert tracing.span().inputs["prompt"] == prompt


@pytest.mark.parametrize("model", [MODEL, "openai/gpt-4o-mini"])
def test_streamed_completion_is_recorded_like_an_unstreamed_one(
    model: str, tracing: Traces, caller: Caller
) -> None:
    """Texts, tokens and cost are the same, also for chat models."""
    response = complete(caller, "one two three", model=model)
    chunks = caller.read(complete(caller, "one two three", model=model, stream=True, **COUNTED))
    if chunks[-1].usage.total_tokens != response.usage.total_tokens:
        pytest.skip("This version of LiteLLM estimates in the place of the provider.")
    whole, streamed = tracing.calls()
    assert texts(streamed) == texts(whole) == ["You said: one two three"]
    for name in ("finish_reasons", "mlflow.chat.tokenUsage"):
        assert streamed.attributes[name] == whole.attributes[name]
    costs = (span.attributes["mlflow.llm.cost"]["total_cost"] for span in (whole, streamed))
    assert next(costs) == pytest.approx(next(costs))
    assert ending(streamed) == ("finished", SpanStatusCode.OK)


def test_stream_stays_what_litellm_made_it(tracing: Traces, caller: Caller) -> None:
    """A traced stream is an instance of LiteLLM's class, with LiteLLM's chunks."""
    stream = complete(caller, "hello", stream=True)
    assert isinstance(stream, TextCompletionStreamWrapper)
    chunks = caller.read(stream)
    assert {type(chunk) for chunk in chunks} == {litellm.TextCompletionResponse}


def test_unknown_usage_is_absent(tracing: Traces, caller: Caller) -> None:
    """LiteLLM reports no estimate here, so tokens and cost are absent."""
    caller.read(complete(caller, "hello", stream=True))
    attributes = tracing.span().attributes
    assert attributes.get("mlflow.chat.tokenUsage") is None
    assert "mlflow.llm.cost" not in attributes


def test_estimate_of_a_chat_model_is_recorded_as_one(tracing: Traces, caller: Caller) -> None:
    """LiteLLM makes a chat stream for such a model, and estimates its usage since 1.110."""
    caller.read(complete(caller, "hello", stream=True, model="openai/gpt-4o-mini"))
    attributes = tracing.span().attributes
    assert ("usage_is_estimate" in attributes) == ("mlflow.chat.tokenUsage" in attributes)


def test_logprobs_are_recorded(tracing: Traces, caller: Caller) -> None:
    """The logprobs are recorded in OpenAI's format."""
    complete(caller, "/logprobs", logprobs=1)
    [choice] = tracing.span().outputs["choices"]
    assert choice["logprobs"]["tokens"] == ["quite", " probable"]


def test_chunks_are_joined_choice_by_choice() -> None:
    """Each choice has its own text, logprobs and reasoning, in order."""
    accumulator = TEXT_COMPLETION.accumulate({"model": MODEL}, None)
    for index, text in ((1, "b"), (0, "a"), (1, "d"), (0, "c")):
        said = {"index": index, "text": text, "logprobs": {"tokens": [text]}}
        choice = {**said, "reasoning_content": text.upper()}
        accumulator.add({"id": "cmpl-1", "choices": [choice]})
    first, second = accumulator.response().outputs["choices"]
    assert (first["text"], second["text"]) == ("ac", "bd")
    assert second["logprobs"] == {"tokens": ["b", "d"]}
    assert second["reasoning_content"] == "BD"


@pytest.mark.parametrize("most", [0, 2])
def test_stream_that_is_left_is_abandoned(most: int, tracing: Traces, caller: Caller) -> None:
    """The span has the chunks that were read."""
    stream = complete(caller, "/long 20", stream=True)
    if most:
        caller.read(stream, most)
    del stream
    # A thread of LiteLLM's may refer to an async stream for a moment.
    until(tracing.all, 10, "the end of the span")
    span = tracing.span()
    assert ending(span) == ("abandoned", SpanStatusCode.OK)
    assert "".join(texts(span)) == "w0 w1 "[: 3 * most]


@pytest.mark.parametrize("text", ["/break 3", "/event-error 3"])
def test_failure_in_mid_stream_is_an_error_with_what_came_before(
    text: str, tracing: Traces, caller: Caller
) -> None:
    """After a broken connection or an error event, the span has the text so far."""
    chunks: list[Any] = []
    stream = complete(caller, text, stream=True)
    with pytest.raises(Exception):  # noqa: B017, PT011 - LiteLLM's type differs by version.
        while True:
            chunks.append(caller.next(stream))
    assert ending(tracing.span()) == ("failed", SpanStatusCode.ERROR)
    received = "".join(chunk.choices[0].text or "" for chunk in chunks)
    assert "".join(texts(tracing.span())) == received


def test_call_that_fails_is_an_error(tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own."""
    with pytest.raises(litellm.RateLimitError):
        complete(caller, "/error 429 slow down")
    assert tracing.span().status.status_code == SpanStatusCode.ERROR


def test_secrets_are_not_recorded(tracing: Traces, caller: Caller) -> None:
    """The key, headers and cookies are absent."""
    complete(caller, "hello", extra_headers={"X-Auth": "hush"})
    caller.read(complete(caller, "hello", stream=True))
    told = json.dumps([trace.to_dict() for trace in tracing.all()])
    assert not [secret for secret in (SECRET, "hush", "very-secret-cookie") if secret in told]


def test_engine_is_the_model(tracing: Traces, caller: Caller) -> None:
    """``engine`` is OpenAI's older name for the model, and LiteLLM accepts it in a sync call."""
    if is_async(caller):
        pytest.skip("LiteLLM's async function wants the model by name.")
    complete(caller, "hello", model=None, engine=MODEL)
    assert tracing.span().attributes["model"] == MODEL


def test_cached_completion_is_flagged_and_costs_nothing(
    tracing: Traces, caller: Caller, litellm_cache: None
) -> None:
    """LiteLLM returns the second response from its cache."""
    for _ in range(2):
        response = complete(caller, f"again {caller.span_name}", caching=True)
    if not getattr(response._hidden_params, "cache_hit", None):
        pytest.skip("This version of LiteLLM does not tell of hits.")
    second = tracing.calls()[-1]
    assert second.attributes["cache_hit"] is True
    assert second.attributes["mlflow.llm.cost"]["total_cost"] == 0


def test_chat_stream_that_is_a_generator_stays_one(tracing: Traces, caller: Caller) -> None:
    """For chats with text-completion models, LiteLLM returns a generator instead of its wrapper."""
    known = openai(caller, model=MODEL, messages=user("hello"), stream=True)
    stream = call(caller, "completion", **known)
    assert (inspect.isasyncgen if is_async(caller) else inspect.isgenerator)(stream)
    caller.read(stream)
    assert ending(tracing.span()) == ("finished", SpanStatusCode.OK)
    assert answer_text(tracing.span()) == "You said: hello"
