"""Prove that each scripted scenario reaches a real litellm as intended."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from provider import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENAI = "openai/gpt-4o-mini"
ANTHROPIC = "anthropic/claude-3-5-sonnet-20240620"
both = pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """Serve for one test."""
    with LoopbackProvider() as running:
        yield running


def ask(provider: LoopbackProvider, model: str, message: Any, **options: Any) -> Any:
    """Send one user message through litellm."""
    base = provider.openai_base if model == OPENAI else provider.anthropic_base
    messages = [{"role": "user", "content": message}]
    fixed = {"api_base": base, "api_key": "sk-test", "max_retries": 0}
    return litellm.completion(model=model, messages=messages, **fixed, **options)


def read(stream: Any) -> tuple[list[Any], Exception | None]:
    """Read a stream's chunks, and the error that ended it early."""
    chunks = []
    try:
        for chunk in stream:
            chunks.append(chunk)  # noqa: PERF402 - Those before the error are wanted.
    except Exception as error:
        return chunks, error
    return chunks, None


def deltas(stream: Any) -> list[str]:
    """Read a stream's non-empty texts."""
    return [c.choices[0].delta.content for c in stream if c.choices[0].delta.content]


def calls(response: Any) -> list[tuple[str, str, Any]]:
    """Read the tool calls of a response."""
    found = response.choices[0].message.tool_calls
    return [(c.id, c.function.name, json.loads(c.function.arguments)) for c in found]


WEATHER = ("call_1", "get_weather", {"location": "Paris"})
TIME = ("call_2", "get_time", {"zone": "CET"})


@both
def test_plain_text_is_echoed_with_its_usage(provider: LoopbackProvider, model: str) -> None:
    """The response echoes the message, with counted words, and the request is kept."""
    response = ask(provider, model, [{"type": "text", "text": "hello there"}])
    assert response.choices[0].message.content == "You said: hello there"
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (2, 4)
    (received,) = provider.requests
    assert received.path in {"/v1/chat/completions", "/v1/messages"}
    assert received.body["messages"][0]["role"] == "user"
    assert {"Bearer sk-test", "sk-test"} & set(received.headers.values())


@both
def test_a_stream_arrives_word_by_word(provider: LoopbackProvider, model: str) -> None:
    """A stream has one delta per word, for echoes, exact texts and long responses."""
    assert deltas(ask(provider, model, "hello", stream=True)) == ["You", " said:", " hello"]
    assert deltas(ask(provider, model, "/say | a  b", stream=True)) == ["a", "  b"]
    assert deltas(ask(provider, model, "/long 3", stream=True)) == ["w0 ", "w1 ", "w2 "]
    assert ask(provider, model, "/long 3").choices[0].message.content == "w0 w1 w2 "


def test_the_answered_model_and_headers_differ_from_the_request(provider: LoopbackProvider) -> None:
    """The response has a dated model, rate limits and a cookie."""
    response = ask(provider, OPENAI, "hi")
    assert response.model == "gpt-4o-mini-2024-07-18"
    headers = response._hidden_params["additional_headers"]
    assert headers["x-ratelimit-remaining-requests"] == "99"
    assert headers["llm_provider-set-cookie"] == "session=very-secret-cookie"


@both
@pytest.mark.parametrize(
    ("message", "expected"), [("/tools", [WEATHER]), ("/tools 2", [WEATHER, TIME])]
)
def test_tool_calls_arrive_whole_and_streamed(
    provider: LoopbackProvider, model: str, message: str, expected: list[Any]
) -> None:
    """Tool calls are complete, also if rebuilt from their fragments."""
    whole = ask(provider, model, message)
    streamed = litellm.stream_chunk_builder(list(ask(provider, model, message, stream=True)))
    assert calls(whole) == calls(streamed) == expected
    assert whole.choices[0].finish_reason == "tool_calls"


def test_parallel_tool_call_fragments_are_interleaved(provider: LoopbackProvider) -> None:
    """The indexes alternate on the OpenAI stream, and each call is named once."""
    stream = ask(provider, OPENAI, "/tools 2", stream=True)
    found = [c.choices[0].delta.tool_calls[0] for c in stream if c.choices[0].delta.tool_calls]
    assert [f.index for f in found] == [0, 1] * 4
    assert [f.id for f in found if f.id] == ["call_1", "call_2"]


def test_odd_tool_fragments_are_still_one_call(provider: LoopbackProvider) -> None:
    """A call without the first index and arguments, and with a repeated id, is one call."""
    chunks = list(ask(provider, OPENAI, "/tools-odd", stream=True))
    assert calls(litellm.stream_chunk_builder(chunks)) == [WEATHER]


@both
def test_reasoning_comes_before_the_text(provider: LoopbackProvider, model: str) -> None:
    """The reasoning comes in two deltas, apart from the text."""
    message = ask(provider, model, "/reason | so 4").choices[0].message
    assert (message.reasoning_content, message.content) == ("Let me think. ", "so 4")
    chunks = list(ask(provider, model, "/reason | so 4", stream=True))
    thoughts = [getattr(c.choices[0].delta, "reasoning_content", None) for c in chunks]
    assert [t for t in thoughts if t] == ["Let me ", "think. "]
    assert deltas(chunks) == ["so", " 4"]


@pytest.mark.parametrize(("model", "prompt"), [(OPENAI, 100), (ANTHROPIC, 104)])
@pytest.mark.parametrize("stream", [False, True])
def test_cached_tokens_are_counted(
    provider: LoopbackProvider, model: str, prompt: int, stream: bool
) -> None:
    """The cache reads are reported; litellm adds them to Anthropic's prompt tokens."""
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = ask(provider, model, "/cached", **options)
    usage = list(answer)[-1].usage if stream else answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (prompt, 5)
    assert usage.prompt_tokens_details.cached_tokens == 80


def test_choices_obey_n_and_interleave(provider: LoopbackProvider) -> None:
    """Each choice is complete, whole and delta by delta."""
    whole = ask(provider, OPENAI, "/choices", n=2)
    assert [c.message.content for c in whole.choices] == ["answer 0", "answer 1"]
    chunks = [c.choices[0] for c in ask(provider, OPENAI, "/choices", n=2, stream=True)]
    spoken = [(c.index, c.delta.content) for c in chunks if c.delta.content]
    assert spoken == [(0, "ans"), (1, "ans"), (0, "wer"), (1, "wer"), (0, " 0"), (1, " 1")]


def test_logprobs_come_with_each_token(provider: LoopbackProvider) -> None:
    """Log probabilities are in the choice and in each delta."""
    whole = ask(provider, OPENAI, "/logprobs").choices[0].logprobs
    assert [t.token for t in whole.content] == ["quite", " probable"]
    chunks = ask(provider, OPENAI, "/logprobs", stream=True)
    found = [c.choices[0].logprobs for c in chunks if getattr(c.choices[0], "logprobs", None)]
    assert len(found) == 2


@both
def test_a_refusal_is_a_content_filter(provider: LoopbackProvider, model: str) -> None:
    """A refused response ends without content."""
    choice = ask(provider, model, "/refuse").choices[0]
    assert (choice.finish_reason, choice.message.content) == ("content_filter", None)
    chunks = list(ask(provider, model, "/refuse", stream=True))
    assert not deltas(chunks)
    assert "content_filter" in [c.choices[0].finish_reason for c in chunks]


@both
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        ("/error 400", litellm.BadRequestError, "scripted failure"),
        ("/error 401", litellm.AuthenticationError, "scripted failure"),
        ("/error 404", litellm.NotFoundError, "scripted failure"),
        ("/error 429 slow down", litellm.RateLimitError, "slow down"),
        ("/error 500", litellm.InternalServerError, "scripted failure"),
        ("/error 503", litellm.ServiceUnavailableError, "scripted failure"),
        ("/error 529", litellm.APIError, "scripted failure"),
        ("/nope", litellm.BadRequestError, "unknown command: /nope"),
        ("/long many", litellm.BadRequestError, "bad arguments: /long many"),
    ],
)
def test_http_errors_become_exceptions(
    provider: LoopbackProvider,
    model: str,
    stream: bool,
    command: str,
    error: type[Exception],
    words: str,
) -> None:
    """An HTTP error raises the exception of its status, with the message."""
    # litellm maps Anthropic's 529 to an InternalServerError, and OpenAI's to a plain APIError.
    expected = litellm.InternalServerError if "529" in command and model == ANTHROPIC else error
    with pytest.raises(expected, match=words):
        ask(provider, model, command, stream=stream)


@both
def test_a_flaky_key_recovers(provider: LoopbackProvider, model: str) -> None:
    """Only the first requests of a key fail."""
    for _ in range(2):
        with pytest.raises(litellm.InternalServerError):
            ask(provider, model, "/flaky 2 mine")
    assert ask(provider, model, "/flaky 2 mine").choices[0].message.content == "recovered"
    with pytest.raises(litellm.InternalServerError):
        ask(provider, model, "/flaky 2 other")


@both
@pytest.mark.parametrize("command", ["/break 3", "/event-error 3"])
def test_an_interrupted_stream_raises_after_its_deltas(
    provider: LoopbackProvider, model: str, command: str
) -> None:
    """A stream raises after three deltas; an unstreamed request fails at once."""
    seen, error = read(ask(provider, model, command, stream=True))
    assert isinstance(error, litellm.exceptions.MidStreamFallbackError)
    assert deltas(seen) == ["w0 ", "w1 ", "w2 "]
    with pytest.raises(litellm.InternalServerError):
        ask(provider, model, command)


@both
def test_a_held_answer_waits_for_its_release(provider: LoopbackProvider, model: str) -> None:
    """One response is held while others pass."""
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, provider, model, "/hold | at last")
        assert provider.arrived.wait(10)
        assert ask(provider, model, "hi").choices[0].message.content == "You said: hi"
        assert not held.done()
        provider.release.set()
        assert held.result(10).choices[0].message.content == "at last"


@both
def test_a_stream_is_held_in_its_middle(provider: LoopbackProvider, model: str) -> None:
    """A stream delivers one delta, is held, and goes on when released."""
    stream = ask(provider, model, "/hold-after 1 | one two three", stream=True)
    assert provider.arrived.wait(10)
    first = next(c.choices[0].delta.content for c in stream if c.choices[0].delta.content)
    provider.release.set()
    assert [first, *deltas(stream)] == ["one", " two", " three"]
    assert not provider.disconnected.is_set()


@pytest.mark.parametrize("message", ["/hold-after 2", "/long 20000"])
def test_a_client_that_leaves_is_noticed(
    provider: LoopbackProvider, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A closed stream is noticed, held or flowing, with nothing on stderr."""
    stream = ask(provider, OPENAI, message, stream=True)
    next(stream)
    stream.completion_stream.response.close()
    assert provider.disconnected.wait(10)
    assert capfd.readouterr().err == ""


@both
def test_an_empty_answer_has_no_content(provider: LoopbackProvider, model: str) -> None:
    """A stream ends before any content; an unstreamed response has no text."""
    assert deltas(ask(provider, model, "/empty", stream=True)) == []
    assert not any(c.message.content for c in ask(provider, model, "/empty").choices)


@pytest.mark.parametrize(("command", "prompt"), [("/usage-each", 7), ("/cumulative-model", 1)])
def test_odd_chunks_still_add_up(provider: LoopbackProvider, command: str, prompt: int) -> None:
    """A usage in every chunk, or a model that comes late, still gives the right sums."""
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last = ask(provider, OPENAI, command, **options)
    assert len(deltas(chunks)) == 4
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (prompt, 4)


def test_leaving_the_context_releases_what_is_held() -> None:
    """Held responses are released, and no thread of the server is left behind."""
    before = set(threading.enumerate())
    with ThreadPoolExecutor(1) as pool:
        with LoopbackProvider() as provider:
            held = pool.submit(ask, provider, OPENAI, "/hold")
            assert provider.arrived.wait(10)
        assert held.result(10).choices[0].message.content == "held"
    left = {t.name for t in set(threading.enumerate()) - before}
    assert not [name for name in left if "serve_forever" in name or "process_request" in name]
