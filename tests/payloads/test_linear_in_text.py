"""Reading texts of the user or of a model takes linear time in their length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import litellm
import pytest
from growth import is_linear
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_litellm._payloads import metadata
from mlflow_litellm._payloads.kinds.table import ANTHROPIC_MESSAGES, CHAT, EMBEDDING, RESPONSES
from mlflow_litellm._payloads.media import bounded, has_media, redact_data, redact_media
from mlflow_litellm._payloads.secret_values import secrets
from mlflow_litellm._payloads.secrets import (
    endpoint,
    is_secret_name,
    redact_named_secrets,
    redacted,
)
from mlflow_litellm._payloads.streams.sse import Events

if TYPE_CHECKING:
    from collections.abc import Callable

    from traces import Traces

PIECES = [
    "a", "aB1", "A_", "0+.-", "*", "漢", "e\u0300", "\u0300\u0327", "\ud800", "🙂", "ключ",
    " ", "\t", "\n", "\r", "\x00", "\x1b[0m", "\u2028", "\\", '\\\\"', '"', "'", "%", "%25", "%5c",
    "<", ">", "(", "]", "}", "[{", '{"a":', ",", ";", "; ", ":", "://", "//", "../", "@", "a:b@",
    "=", "=a", "&", "&a=", "&amp;", "&key=1", "#", "?", "?u=a", "a=1;", "sk-", "xox", "AIza", "eyJ",
    "api_key", "api-key: ", "token=", "token is ", 'secret: \\"', "passwd ", "Bearer ", "basic  ",
    "cookie=", "Cookie: ", "user_api_key_", "a://", "a://b?key=1 ", "https://a@", "https://[",
    "https://a?key=", "http://a?u=", "http://a?u=http%3A%2F%2F", "http://é\u0323", "x=http://a ",
    "data:", "data:\n", "data: {\n", "data: {}}\n", "data: [DONE]\n\n", "data:a;base64,",
    ";base64,", "data:a;base64,AAAA", "AAAA" * 250, "x7Kq2mZv9w", "9a", "c\\9a",
]  # fmt: skip
# Secrets of characters whose escapes can be read in the most ways.
KNOWN = [
    "\\\\\\\\\\9a-\\\\b", "x7Kq2mZv9w\\\\a", "a%+&'b1cdefgh", "a&amp;&amp;9a", "%%%%9a",
    "-\\a\\-9a", "c\\9a", "ключ", "  9a", "\\",
]  # fmt: skip


def events(text: str, size: int) -> None:
    """Read an event stream in pieces of one size."""
    reader = Events()
    for at in range(0, len(text), size):
        reader.read(text[at : at + size])
    reader.rest()


def named(text: str) -> dict[str, Any]:
    """Return a dict with a text in each place that is searched for secrets."""
    return {text: 1, "base_url": text, "name": text, "value": text, "list": [text, text]}


def parts(text: str) -> list[Any]:
    """Return messages with a text in each place that may contain media."""
    sound, picture = {"data": text, "format": text}, {"url": text}
    content = [{"type": "text", "text": text}, {"input_audio": sound}, {"image_url": picture}]
    return [{"content": text}, {"content": content}, {"content": "", "images": [picture]}]


READERS: dict[str, Callable[[str], Any]] = {
    "media": lambda text: has_media(parts(text)) and redact_media(parts(text)),
    "data": lambda text: redact_data(named(text)),
    "secrets of a text": redact_named_secrets,
    "secrets of a dict": lambda text: redact_named_secrets(named(text)),
    "known secrets": lambda text: redacted(f"{text}9a ключ", KNOWN),
    "own secrets": lambda text: redacted(text, secrets({"api_key": text}, CHAT.recorded)),
    "secrets of a call": lambda text: secrets(
        {"api_key": text, "api_base": text, "extra_body": named(text), "tools": [named(text)]},
        CHAT.recorded,
    ),
    "events": lambda text: events(text, len(text)),
    "events in pieces": lambda text: events(text, 16),
    "bounded": bounded,
    "name": lambda text: (is_secret_name(text), endpoint(text)),
    "metadata": lambda text: metadata.call_metadata({"metadata": named(text)}),
    "tags": lambda text: (
        metadata.tags({"metadata": {"tags": [text]}}),
        metadata.trace_metadata({"metadata": {"trace_metadata": named(text), "trace_id": text}}),
    ),
    "chat": lambda text: CHAT.request({"model": text, "messages": parts(text), "stop": text}),
    "responses": lambda text: RESPONSES.request({"input": parts(text), "prompt": named(text)}),
    "messages": lambda text: ANTHROPIC_MESSAGES.request({"system": text, "messages": parts(text)}),
    "embedding": lambda text: EMBEDDING.request({"input": [text, parts(text)]}),
}


def repeated(head: str, piece: str, tail: str) -> Callable[[int], str]:
    """Return a function that makes a text of any length: a head, a repeated piece, and a tail."""
    return lambda size: f"{head}{piece * (size // len(piece))}{tail}"


KINDS_OF_TEXT = st.builds(
    repeated,
    st.just("") | st.sampled_from(PIECES),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join),
    st.just("") | st.sampled_from(PIECES),
)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(KINDS_OF_TEXT)
def test_time_grows_with_any_text_alone(name: str, text: Callable[[int], str]) -> None:
    """The time is linear in the length of any text, also of a repetitive one."""
    assert is_linear(lambda size: lambda: READERS[name](text(size)), 10_000, 100_000)


# Otherwise reading takes minutes, or the data beside these texts is not read.
NASTY = {
    "begins of pictures": ("media", repeated("", "data:", ";base64,")),
    "begins of pictures after one": ("media", repeated(";base64,", "data:", "")),
    "URLs with keys": ("secrets of a text", repeated("", "a://b?key=1 ", "")),
    "URLs in URLs": ("own secrets", repeated("", "http://a?u=http%3A%2F%2F", "")),
    "marks on a host": ("metadata", repeated("https://a", "\u0327\u0323", "/?key=1")),
    "backslashes": ("known secrets", repeated("9a", "\\", "")),
    "objects that go on": ("events", repeated("data: {\n", "data: {}\n", "")),
    "lines of no event": ("events in pieces", repeated("", "data:\n", "")),
    "objects in objects": ("secrets of a call", repeated("", '{"a":', "")),
}


@pytest.mark.parametrize("kind", NASTY)
def test_nasty_text_holds_nobody_up(kind: str) -> None:
    """Reading takes linear time up to the length of a book, also for the slowest texts."""
    name, text = NASTY[kind]
    sizes = 10_000, 100_000, 1_000_000
    assert is_linear(lambda size: lambda: READERS[name](text(size)), *sizes)


def test_nasty_answer_is_recorded_as_it_is(tracing: Traces) -> None:
    """A repetitive text is recorded unchanged, from the model and from the user."""
    text = repeated("see ", "data:", ";base64,")(200_000)
    litellm.completion(
        "openai/gpt-4o", [{"role": "user", "content": text}], api_key="k", mock_response=text
    )
    span = tracing.span()
    assert span.inputs["messages"][0]["content"] == text
    assert span.outputs["choices"][0]["message"]["content"] == text


def test_tool_input_that_nests_too_deep_is_recorded_as_text() -> None:
    """Tool input with too many levels is recorded as text, and the rest of the stream is read."""
    text = '{"a":' * 100_000
    stream = ANTHROPIC_MESSAGES.accumulate({"model": "anthropic/claude-3-5-haiku-latest"}, None)
    block = {"type": "tool_use", "name": "f", "input": {}}
    stream.add({"type": "content_block_start", "index": 0, "content_block": block})
    delta = {"type": "input_json_delta", "partial_json": text}
    stream.add({"type": "content_block_delta", "index": 0, "delta": delta})
    assert stream.response().outputs["content"][0]["input"] == text
