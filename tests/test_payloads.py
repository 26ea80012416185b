"""What is recorded, as plain data in and plain data out: no MLflow, no network."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import threading
import time
import uuid
from typing import Any

import litellm
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_litellm.payloads import _litellm as reported
from mlflow_litellm.payloads import chat, chat_stream
from mlflow_litellm.payloads._plain import plain


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


class Point(pydantic.BaseModel):
    """A pydantic model."""

    x: int
    y: int | None = None


@dataclasses.dataclass
class Pair:
    """A dataclass."""

    left: Any
    right: Any


class Name(str):
    """A kind of string."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, True, None, "x"]}, {"a": [1, 2.5, True, None, "x"]}),
        ((1, 2), [1, 2]),
        ({1: "int key", None: "none key"}, {"1": "int key", "None": "none key"}),
        (Point(x=1), {"x": 1}),
        (Pair(Point(x=1), Colour.RED), {"left": {"x": 1}, "right": "red"}),
        (Name("text"), "text"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (decimal.Decimal("1.5"), "1.5"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"12345", "<5 bytes>"),
        (math.inf, "inf"),
        ("caf\u00e9", "caf\u00e9"),
        ("broken \ud800", "broken ?"),
        ({"key \udfff": 1}, {"key ?": 1}),
        (ValueError("secret"), "<builtins.ValueError>"),
        (threading.Lock(), "<_thread.lock>"),
        (int, "<builtins.int>"),
    ],
)
def test_value_becomes_plain(value: Any, expected: Any) -> None:
    """Data is copied; what is no data is named."""
    assert plain(value) == expected


def test_pydantic_class_becomes_its_schema() -> None:
    """As ``response_format`` takes it."""
    assert plain(Point) == Point.model_json_schema()


def test_iterator_is_not_consumed() -> None:
    """The call needs it still."""
    iterator = iter([1, 2])
    assert plain({"stream": iterator}) == {"stream": "<builtins.list_iterator>"}
    assert list(iterator) == [1, 2]


def test_cycle_is_cut_where_it_closes() -> None:
    """And what merely stands twice is not taken for one."""
    shared = [1]
    cycle: dict[str, Any] = {"twice": [shared, shared]}
    cycle["self"] = cycle
    assert plain(cycle) == {"twice": [[1], [1]], "self": "<cycle: builtins.dict>"}


def test_copy_is_out_of_reach_of_later_changes() -> None:
    """LiteLLM and callers change their messages later."""
    messages = [{"content": [{"text": "before"}]}]
    copied = plain(messages)
    messages[0]["content"][0]["text"] = "after"
    assert copied == [{"content": [{"text": "before"}]}]


# Surrogates among them, which hypothesis leaves out by itself.
TEXT = st.text(st.characters(exclude_categories=()))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | TEXT
JSON_LIKE = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner))


@given(JSON_LIKE)
def test_anything_becomes_what_a_store_takes(value: Any) -> None:
    """Strict JSON, in UTF-8."""
    json.dumps(plain(value), ensure_ascii=False, allow_nan=False).encode()


def test_request_keeps_what_shapes_the_answer_only() -> None:
    """An allowlist: no list of secrets is ever whole."""
    request = chat.request(
        {
            "model": "gpt-4o",
            "messages": [],
            "temperature": 0.1,
            "api_key": "secret",
            "extra_headers": {"Authorization": "secret"},
            "aws_secret_access_key": "secret",
            "some_new_token": "secret",
            "metadata": {"x": "secret"},
            "api_base": "https://me:secret@host/v1?key=secret#secret",
        }
    )
    assert "secret" not in repr(request)
    assert request.inputs == {"model": "gpt-4o", "messages": [], "temperature": 0.1}
    assert request.attributes == {"model": "gpt-4o", "api_base": "https://host/v1"}


@pytest.mark.parametrize(
    ("kind", "url", "openers"),
    [
        ("mcp", "server_url", {"headers": {"Authorization": "secret"}, "authorization": "secret"}),
        ("url", "url", {"authorization_token": "secret"}),
    ],
)
def test_what_opens_an_mcp_server_is_left_out(kind: str, url: str, openers: Any) -> None:
    """OpenAI's and Anthropic's definitions of such tools name it differently."""
    tool = {"type": kind, "name": "docs", url: "https://host/mcp?token=secret", **openers}
    request = chat.request({"tools": [tool]})
    assert request.inputs["tools"] == [{"type": kind, "name": "docs", url: "https://host/mcp"}]
    assert request.tools == request.inputs["tools"]


@pytest.mark.parametrize(
    ("content", "has_media"),
    [
        ("text", False),
        ([{"type": "text", "text": "x"}], False),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], True),
        ([{"type": "input_audio", "input_audio": {"data": "AAAA"}}], True),
        ("data:image/png;base64,AAAA", True),
        (None, False),
    ],
)
def test_media_is_noticed(content: Any, has_media: bool) -> None:
    """Only then is MLflow asked to look for attachments, which takes its time."""
    assert chat.request({"messages": [{"content": content}]}).has_media is has_media


@pytest.mark.parametrize("name", ["images", "audio"])
def test_media_of_an_earlier_answer_is_noticed(name: str) -> None:
    """Users send back what a model gave them."""
    assert chat.request({"messages": [{"role": "assistant", name: [{}]}]}).has_media


@pytest.mark.parametrize("messages", [None, "text", 5, [None], ["text"], [{}]])
def test_strange_messages_are_no_fault(messages: Any) -> None:
    """What they do in LiteLLM is LiteLLM's affair."""
    assert chat.request({"messages": messages, "tools": "none"}).has_media is False


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://user:pass@host:8/p?api_key=x#f", "https://host:8/p"),
        ("", None),
        (None, None),
        ("http://[broken", None),
    ],
)
def test_endpoint_has_no_credentials(url: Any, expected: str | None) -> None:
    """Keys stand in some URLs."""
    assert reported.endpoint(url) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (
            {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        ),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
    ],
)
def test_usage_has_mlflows_names(counts: dict[str, int], expected: dict[str, int] | None) -> None:
    """Zeros alone are LiteLLM's way to say unknown."""
    assert reported.usage(litellm.Usage(**counts)) == expected
    assert reported.usage(None) is None


def test_flag_among_the_counts_is_no_count() -> None:
    """A bool is an int to Python."""

    class Usage:
        prompt_tokens = 3
        completion_tokens = True
        total_tokens = 3.5

    assert reported.usage(Usage()) == {"input_tokens": 3}


def test_cost_is_divided_by_list_price_and_sums_to_the_total() -> None:
    """LiteLLM tells only the total of an answer, which custom prices may have changed."""
    assert reported.cost(8.0, (1.0, 3.0)) == {
        "input_cost": 2.0,
        "output_cost": 6.0,
        "total_cost": 8.0,
    }
    assert reported.cost(None, (1.0, 3.0)) is None
    assert reported.cost("1", None) is None


def test_answer_that_is_no_response_is_plain_data() -> None:
    """An unknown type costs nothing but its detail."""
    assert chat.answer(object(), {"model": "gpt-4o"}).outputs == "<builtins.object>"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"model": "anthropic/claude"}, "anthropic"),
        ({"model": "x", "custom_llm_provider": "groq"}, "groq"),
        ({"model": None}, None),
    ],
)
def test_provider_is_found_where_litellm_does_not_tell_it(
    arguments: dict[str, Any], expected: str | None
) -> None:
    """It is absent from some providers' answers, and another word on a cached stream."""
    assert reported.provider({"custom_llm_provider": "cached_response"}, arguments) == expected


def test_configured_endpoint_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM tells the vendor's where a variable sends the call elsewhere."""
    hidden = {"api_base": "https://api.openai.com"}
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert reported.api_base(hidden, {}, "openai") == "http://127.0.0.1:1/v1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert reported.api_base(hidden, {}, "openai") == "https://api.openai.com/v1"
    assert reported.api_base(hidden, {"api_base": "http://given/"}, "openai") == "http://given/"
    assert reported.api_base(hidden, {}, "no such provider") == "https://api.openai.com"


def test_secret_manager_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on the network, and the caller waits."""
    monkeypatch.setattr(litellm, "secret_manager_client", object())
    assert reported.api_base({}, {}, "openai") is None


def chunk(**delta: Any) -> Any:
    """Return one chunk of a stream."""
    choice = litellm.types.utils.StreamingChoices(delta=litellm.types.utils.Delta(**delta))
    return litellm.ModelResponseStream(choices=[choice], model="m")


def message(*chunks: Any) -> dict[str, Any]:
    """Return the message that chunks make."""
    accumulator = chat_stream.Accumulator({"model": "m"}, object())
    for item in chunks:
        accumulator.add(item)
    return accumulator.answer().outputs["choices"][0]["message"]


def test_thinking_blocks_are_joined_up_to_their_signature() -> None:
    """Anthropic sends a block in pieces, the last of which signs it."""
    pieces = [("Let ", ""), ("me.", "sig-1"), ("Then", "sig-2")]
    chunks = [
        chunk(thinking_blocks=[{"type": "thinking", "thinking": text, "signature": signature}])
        for text, signature in pieces
    ]
    assert message(*chunks)["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Let me.", "signature": "sig-1"},
        {"type": "thinking", "thinking": "Then", "signature": "sig-2"},
    ]


def test_tool_call_arguments_are_added_up_as_they_come() -> None:
    """Fragments that look like a repetition are none; interleaved ones go by index."""
    fragments = [(0, "a", "[1"), (1, "b", "[2"), (0, None, "[1"), (1, None, "]"), (0, None, None)]
    chunks = [
        chunk(
            tool_calls=[
                {"index": index, "id": name, "function": {"name": name, "arguments": arguments}}
            ]
        )
        for index, name, arguments in fragments
    ]
    calls = message(*chunks)["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ["[1[1", "[2]"]
    assert [call["function"]["name"] for call in calls] == ["a", "b"]


def test_audio_and_provider_fields_are_joined() -> None:
    """Texts one after the other, dicts key by key, lists end to end."""
    said = message(
        chunk(audio={"id": "a", "transcript": "hel", "data": "AA"}),
        chunk(audio={"transcript": "lo", "data": "BB"}, annotations=[{"type": "url"}]),
        chunk(content="x", annotations=[{"type": "file"}]),
    )
    assert said["audio"]["transcript"] == "hello"
    assert said["audio"]["data"] == "AABB"
    assert [item["type"] for item in said["annotations"]] == ["url", "file"]


@given(st.lists(st.text(min_size=1), max_size=20))
def test_text_of_any_pieces_is_their_sum(pieces: list[str]) -> None:
    """Whatever the pieces are."""
    said = message(chunk(content=""), *[chunk(content=piece) for piece in pieces])
    assert (said["content"] or "") == plain("".join(pieces))


def seconds(count: int) -> float:
    """Return how long it takes to join so many chunks of audio."""
    chunks = [chunk(audio={"data": "A" * 1000, "transcript": "x"}) for _ in range(count)]
    began = time.perf_counter()
    message(*chunks)
    return time.perf_counter() - began


def test_joining_takes_time_in_proportion_to_the_chunks() -> None:
    """It happens in the reader's loop."""
    few, many = (min(seconds(count) for _ in range(3)) for count in (200, 2000))
    assert many < few * 30


@pytest.mark.parametrize("provider", ["github_copilot", "chatgpt"])
def test_provider_that_would_sign_in_is_not_asked(provider: str) -> None:
    """LiteLLM's look-up of these may ask the user to open a page, and wait."""
    assert reported.api_base({"api_base": "told"}, {}, provider) == "told"
