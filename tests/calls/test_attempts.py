"""Calls for which LiteLLM makes several: fallbacks, retries and batches, also in threads."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import litellm
import mlflow
import pytest
from callers import MODEL, SERVER_ERROR, AsyncCaller, SyncCaller, user
from mlflow.entities import SpanStatusCode
from traces import answer_text, ending, exception_event

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span
    from provider import LoopbackProvider
    from traces import Traces

OK, ERROR = SpanStatusCode.OK, SpanStatusCode.ERROR
NOWHERE = "http://127.0.0.1:9/v1"
OTHER = "openai/gpt-4o"
# Up to about 1.7x, LiteLLM's function contains the retries of sync calls.
RETRIES_ASYNC = "AsyncRetrying" in inspect.getsource(litellm.acompletion_with_retries)


@pytest.fixture
def known(provider: LoopbackProvider) -> dict[str, Any]:
    """Return the arguments with which a call reaches the provider."""
    return {"api_base": provider.openai_base, "api_key": "sk-very-secret", "max_retries": 0}


def call_and_steps(traces: Traces) -> tuple[Span, list[Span]]:
    """Return the span of the user's call, and the spans of its inner calls."""
    call, *steps = traces.calls()
    assert {step.parent_id for step in steps} == {call.span_id}
    return call, steps


def states(spans: list[Span]) -> list[SpanStatusCode]:
    """Return the status codes of the spans."""
    return [span.status.status_code for span in spans]


def skip_untried(caller: Caller) -> None:
    """Skip a test of retries if this version of LiteLLM does not retry async calls."""
    if isinstance(caller, AsyncCaller) and not RETRIES_ASYNC:
        pytest.skip("LiteLLM tries no async call again")


def total(traces: Traces) -> int:
    """Return the tokens that MLflow counts for the only trace."""
    return traces.one().info.token_usage["total_tokens"]


def check_fallback(traces: Traces, name: str, tokens: int) -> None:
    """Check the trace of a call whose first attempt failed and whose second succeeded."""
    call, attempts = call_and_steps(traces)
    assert call.name == name
    assert states([call, *attempts]) == [OK, ERROR, OK]
    assert [span.span_type for span in (call, *attempts)] == ["CHAIN", "LLM", "LLM"]
    assert call.attributes["inner_calls"] == 2
    assert "mlflow.chat.tokenUsage" not in call.attributes
    assert answer_text(call) == answer_text(attempts[1]) == "You said: hello"
    assert total(traces) == tokens


def test_fallbacks_are_attempts(tracing: Traces, caller: Caller, known: dict[str, Any]) -> None:
    """The attempts are children of the call's span, and only they have token counts."""
    backup = {"model": MODEL, **known}
    asked = {"model": "openai/broken", "api_base": NOWHERE, "fallbacks": [backup]}
    response = caller.complete("hello", **asked)
    check_fallback(tracing, caller.span_name, response.usage.total_tokens)
    # Older versions of LiteLLM do not report the number of fallbacks.
    told = response._hidden_params["additional_headers"].get("x-litellm-attempted-fallbacks")
    assert tracing.calls()[0].attributes.get("attempted_fallbacks") == told


def test_fallbacks_of_a_stream_are_attempts(
    tracing: Traces, provider: LoopbackProvider, known: dict[str, Any]
) -> None:
    """This test is async: for a sync call, LiteLLM returns a stream that needs an event loop."""
    caller = AsyncCaller(provider)
    asked = {"model": "openai/broken", "api_base": NOWHERE}
    more = {"fallbacks": [{"model": MODEL, **known}], "stream_options": {"include_usage": True}}
    chunks = caller.stream("hello", **asked, **more)
    check_fallback(tracing, caller.span_name, chunks[-1].usage.total_tokens)
    assert ending(tracing.calls()[0]) == ("finished", OK)


def test_fallbacks_in_a_running_loop_nest(tracing: Traces, known: dict[str, Any]) -> None:
    """In a running loop, the attempts of a sync call run in a thread and are still children."""

    async def main() -> None:
        with mlflow.start_span("agent"):
            litellm.completion("openai/broken", user("hello"), fallbacks=[MODEL], **known)

    asyncio.run(main())
    agent, call, *attempts = tracing.one().data.spans
    assert call.parent_id == agent.span_id
    assert {attempt.parent_id for attempt in attempts} == {call.span_id}


def test_retries_are_attempts(tracing: Traces, caller: Caller) -> None:
    """Each attempt has a span, also the first, which LiteLLM makes as the call itself."""
    # In the first call, the provider's own client makes as many attempts as LiteLLM is to make.
    skip_untried(caller)
    response = caller.complete(f"/flaky 4 {uuid4()}", num_retries=2)
    call, attempts = call_and_steps(tracing)
    assert states([call, *attempts]) == [OK, ERROR, ERROR, OK]
    expected = {error.__name__ for error in SERVER_ERROR}
    assert exception_event(attempts[0])["exception.type"] in expected
    assert {span.name for span in (call, *attempts)} == {caller.span_name}
    assert call.span_type == "CHAIN"
    first, second, third = attempts
    assert call.start_time_ns == first.start_time_ns
    assert first.end_time_ns <= second.start_time_ns <= third.start_time_ns
    assert first.inputs["messages"] == call.inputs["messages"]
    assert total(tracing) == response.usage.total_tokens


def test_exhausted_retries_raise_as_they_do_untraced(tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own, and each attempt has the error of its own."""
    skip_untried(caller)
    with pytest.raises(SERVER_ERROR):
        caller.complete("/error 500", num_retries=2)
    call, attempts = call_and_steps(tracing)
    assert states([call, *attempts]) == [ERROR] * 4
    assert call.attributes["inner_calls"] == 3
    assert tracing.one().info.token_usage is None
    assert "sk-very-secret" not in tracing.one().to_json()


def test_call_made_while_handling_an_error_has_no_attempt_of_that(
    tracing: Traces, caller: Caller
) -> None:
    """An exception that the user handles is not recorded as the error of a first attempt."""
    try:
        int("none")
    except ValueError:
        caller.complete("hello", num_retries=2)
    assert [span.name for span in tracing.calls()] == [caller.span_name]


def test_completion_with_retries_is_a_chain(tracing: Traces, known: dict[str, Any]) -> None:
    """``completion_with_retries`` is a chain; positional arguments are recorded by name."""
    litellm.completion_with_retries(MODEL, user(f"/flaky 1 {uuid4()}"), num_retries=2, **known)
    call, attempts = call_and_steps(tracing)
    assert call.name == "litellm-completion_with_retries"
    assert call.inputs["model"] == MODEL
    assert states(attempts) == [ERROR, OK]


@pytest.mark.skipif(not RETRIES_ASYNC, reason="LiteLLM tries no async call again")
def test_acompletion_with_retries_is_a_chain(
    tracing: Traces, provider: LoopbackProvider, known: dict[str, Any]
) -> None:
    """LiteLLM's deprecated function takes the function to call as an argument."""
    AsyncCaller(provider).run(
        lambda: litellm.acompletion_with_retries(
            model=MODEL,
            messages=user(f"/flaky 1 {uuid4()}"),
            original_function=litellm.acompletion,
            **known,
        )
    )
    call, attempts = call_and_steps(tracing)
    assert call.name == "litellm-acompletion_with_retries"
    assert states(attempts) == [ERROR, OK]


def test_completion_with_fallbacks_is_a_chain(tracing: Traces, known: dict[str, Any]) -> None:
    """``completion_with_fallbacks`` takes its arguments in ``kwargs``, and is a chain."""
    more = {"kwargs": {"fallbacks": [OTHER]}}
    litellm.completion_with_fallbacks(model=MODEL, messages=user("hello"), **more, **known)
    call, [attempt] = call_and_steps(tracing)
    assert (call.name, call.span_type) == ("litellm-completion_with_fallbacks", "CHAIN")
    assert attempt.inputs["model"] == MODEL


def test_async_completion_with_fallbacks_is_a_chain(
    tracing: Traces, provider: LoopbackProvider, known: dict[str, Any]
) -> None:
    """``async_completion_with_fallbacks`` is a chain as well."""
    asked = {"model": "openai/x", "messages": user("/error 400"), "kwargs": {"fallbacks": [MODEL]}}
    with pytest.raises(Exception, match="All fallback attempts failed"):
        AsyncCaller(provider).run(lambda: litellm.async_completion_with_fallbacks(**asked, **known))
    call, attempts = call_and_steps(tracing)
    assert call.name == "litellm-async_completion_with_fallbacks"
    assert states([call, *attempts]) == [ERROR] * 3


def test_batch_is_a_chain_of_calls(tracing: Traces, known: dict[str, Any]) -> None:
    """A batch's calls run in threads; a failed one is an exception in the batch's response."""
    asked = [user("one"), user("/error 400"), user("three")]
    with mlflow.start_span("agent"):
        results = litellm.batch_completion(MODEL, asked, **known)
    agent, *_ = tracing.one().data.spans
    call, steps = call_and_steps(tracing)
    assert call.parent_id == agent.span_id
    assert (call.name, call.span_type) == ("litellm-batch_completion", "CHAIN")
    assert sorted(str(span.status.status_code) for span in steps) == sorted(
        map(str, [OK, ERROR, OK])
    )
    assert call.inputs["messages"] == asked
    assert call.outputs[0]["choices"][0]["message"]["content"] == "You said: one"
    assert call.outputs[1] == "<litellm.exceptions.BadRequestError>"
    assert isinstance(results[1], litellm.BadRequestError)
    assert total(tracing) == results[0].usage.total_tokens + results[2].usage.total_tokens


def test_pictures_in_a_batch_are_attachments(tracing: Traces, known: dict[str, Any]) -> None:
    """The images of a batch are in no span, neither the batch's nor those of its calls."""
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 8000}"}}
    asked = [[{"role": "user", "content": [{"type": "text", "text": "hello"}, picture]}]] * 2
    litellm.batch_completion(MODEL, asked, **known)
    call, steps = call_and_steps(tracing)
    assert len(steps) == 2
    assert "A" * 100 not in str([span.to_dict() for span in (call, *steps)])


def test_batch_models_is_a_chain_of_calls(tracing: Traces, known: dict[str, Any]) -> None:
    """The first response is the response of the call."""
    asked = {"models": [MODEL, OTHER], "messages": user("hello"), **known}
    result = litellm.batch_completion_models(**asked)
    call, steps = call_and_steps(tracing)
    assert call.name == "litellm-batch_completion_models"
    assert call.inputs["models"] == [MODEL, OTHER]
    assert {step.inputs["model"] for step in steps} == {MODEL, OTHER}
    assert answer_text(call) == result.choices[0].message.content


def test_batch_models_all_responses_is_a_chain_of_calls(
    tracing: Traces, known: dict[str, Any]
) -> None:
    """The responses of all calls are the response of the composite call."""
    asked = {"models": [MODEL, OTHER], "messages": user("hello"), **known}
    assert len(litellm.batch_completion_models_all_responses(**asked)) == 2
    call, steps = call_and_steps(tracing)
    assert call.name == "litellm-batch_completion_models_all_responses"
    assert len(steps) == len(call.outputs) == 2


def test_model_list_is_a_chain_of_calls(tracing: Traces, known: dict[str, Any]) -> None:
    """LiteLLM calls all deployments of the model at once."""
    deployments = [
        {"model_name": MODEL, "litellm_params": {"model": model, **known}}
        for model in (MODEL, OTHER)
    ]
    litellm.completion(MODEL, user("hello"), model_list=deployments)
    call, steps = call_and_steps(tracing)
    assert (call.name, call.span_type) == ("litellm-completion", "CHAIN")
    assert len(steps) == 2
    assert "sk-very-secret" not in tracing.one().to_json()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_client_is_traced(stream: bool, tracing: Traces, provider: LoopbackProvider) -> None:
    """``litellm.LiteLLM()`` calls the function below the public one, and is traced."""
    client = litellm.LiteLLM(api_key="sk-very-secret", base_url=provider.openai_base)
    result = client.chat.completions.create(user("hello"), MODEL, stream=stream)
    if stream:
        assert isinstance(result, litellm.CustomStreamWrapper)
        SyncCaller(provider).read(result)
        assert ending(tracing.span()) == ("finished", OK)
    assert (tracing.span().name, tracing.span().span_type) == ("litellm-completion", "LLM")
    assert answer_text(tracing.span()) == "You said: hello"
    assert "sk-very-secret" not in tracing.one().to_json()


@pytest.mark.skipif(
    "api_base" not in inspect.getsource(litellm.HuggingFaceChatConfig.transform_request),
    reason="LiteLLM asks Hugging Face where the model is, whatever address it is given",
)
def test_prompts_in_tokens_are_one_call(tracing: Traces, known: dict[str, Any]) -> None:
    """LiteLLM makes an internal call in a thread for each prompt, and returns one response."""
    with mlflow.start_span("agent"):
        asked = {"model": "huggingface/gpt2", "prompt": [[15496, 995], [15496]]}
        litellm.text_completion(**asked, **known)
    agent, call = tracing.one().data.spans
    assert (call.name, call.parent_id) == ("litellm-text_completion", agent.span_id)
    assert len(call.outputs["choices"]) == 2


def test_function_below_the_public_one_is_traced(
    tracing: Traces, provider: LoopbackProvider, known: dict[str, Any]
) -> None:
    """Calls of ``litellm.main``'s functions have one span each, with the usual name."""
    litellm.main.completion(MODEL, user("hello"), **known)
    AsyncCaller(provider).run(
        lambda: litellm.main.acompletion(model=MODEL, messages=user("hello"), **known)
    )
    assert [span.name for span in tracing.calls()] == ["litellm-completion", "litellm-acompletion"]


def test_threads_of_the_users_have_the_context_that_they_have(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """A call in the user's own executor has no parent, because the thread has no context."""
    caller = SyncCaller(provider)
    with mlflow.start_span("agent"), ThreadPoolExecutor(1) as executor:
        executor.submit(caller.complete, "hello").result()
    assert len(tracing.all()) == 2


def test_executor_is_python_s_own_again() -> None:
    """``ThreadPoolExecutor.submit`` is the original again after tracing is switched off."""
    submit = ThreadPoolExecutor.submit
    mlflow.litellm.autolog()
    assert ThreadPoolExecutor.submit is not submit
    mlflow.litellm.autolog(disable=True)
    assert ThreadPoolExecutor.submit is submit
