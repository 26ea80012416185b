"""Chunks are merged into the same response as without streaming. No MLflow, no network."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import litellm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_litellm._payloads.kinds.table import CHAT
from mlflow_litellm._payloads.serialize import to_jsonable


def chunk(**delta: Any) -> Any:
    """Return one chunk of a stream."""
    choice = litellm.types.utils.StreamingChoices(delta=litellm.types.utils.Delta(**delta))
    return litellm.ModelResponseStream(choices=[choice], model="m")


def message(*chunks: Any) -> dict[str, Any]:
    """Return the message that the chunks are merged into."""
    accumulator = CHAT.accumulate({"model": "m"}, object())
    for item in chunks:
        accumulator.add(item)
    return accumulator.response().outputs["choices"][0]["message"]


def test_thinking_blocks_are_joined_up_to_their_signature() -> None:
    """Pieces of a thinking block are merged until the signature, as Anthropic sends it last."""
    pieces = [("Let ", ""), ("me.", "sig-1"), ("Then", "sig-2")]
    chunks = [
        chunk(thinking_blocks=[{"type": "thinking", "thinking": text, "signature": signature}])
        for text, signature in pieces
    ]
    assert message(*chunks)["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Let me.", "signature": "sig-1"},
        {"type": "thinking", "thinking": "Then", "signature": "sig-2"},
    ]


def test_thinking_that_is_told_again_with_its_signature_is_not_doubled() -> None:
    """Thinking text that some LiteLLM versions repeat with its signature is recorded once."""
    pieces = [("Let ", ""), ("me.", ""), ("Let me.", "sig-1")]
    chunks = [
        chunk(thinking_blocks=[{"type": "thinking", "thinking": text, "signature": signature}])
        for text, signature in pieces
    ]
    [block] = message(*chunks)["thinking_blocks"]
    assert block == {"type": "thinking", "thinking": "Let me.", "signature": "sig-1"}


@pytest.mark.parametrize("told", [None, (0, 5)])
def test_usage_told_in_two_chunks_is_put_together(told: tuple[int, int] | None) -> None:
    """Usage in two chunks is merged, also if LiteLLM ends with no usage or only the second half."""
    first, last = chunk(content="hi"), chunk(content=None)
    first.usage = litellm.Usage(prompt_tokens=100, completion_tokens=1, cache_read_input_tokens=80)
    last.usage = litellm.Usage(prompt_tokens=0, completion_tokens=5, total_tokens=5)
    ended = chunk(content=None)
    ended.choices[0].finish_reason = "stop"
    if told:
        ended._hidden_params["usage"] = litellm.Usage(*told)
    accumulator = CHAT.accumulate({"model": "m"}, SimpleNamespace(chunks=[first, last]))
    accumulator.add(ended)
    usage = accumulator.response().usage
    assert usage == {
        "input_tokens": 100,
        "output_tokens": 5,
        "total_tokens": 105,
        "cache_read_input_tokens": 80,
    }


def test_tool_call_arguments_are_added_up_as_they_come() -> None:
    """Argument fragments are added by index, also if interleaved or if they look repeated."""
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


def test_calls_at_one_index_are_told_apart_by_id_and_name() -> None:
    """Calls at one index are separated by id and name. An id without a name begins no new call."""
    fragments = [("a", "f", "[1"), ("a2", None, "]"), ("b", "g", "[2"), (None, None, "]")]
    chunks = [
        chunk(tool_calls=[{"index": 0, "id": id_, "function": {"name": name, "arguments": text}}])
        for id_, name, text in fragments
    ]
    calls = message(*chunks)["tool_calls"]
    told = [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
    assert told == [("f", "[1]"), ("g", "[2]")]


def test_lists_that_grow_and_names_that_are_repeated_are_not_joined() -> None:
    """Growing lists and repeated names are not merged: LiteLLM sends such lists whole each time."""
    found = [{"url": "a"}, {"url": "b"}]
    said = message(
        chunk(provider_specific_fields={"web_search_results": found[:1], "region": "eu"}),
        chunk(provider_specific_fields={"web_search_results": found, "region": "eu"}),
        chunk(provider_specific_fields={"citation": {"cited_text": "x"}, "notes": [1]}),
        chunk(provider_specific_fields={"citation": {"cited_text": "y"}, "notes": [2]}),
    )
    assert said["provider_specific_fields"] == {
        "web_search_results": found,
        "region": "eu",
        "notes": [1, 2],
        "citations": [[{"cited_text": "x"}, {"cited_text": "y"}]],
    }


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([{"content": [{"token": "a"}]}, {"content": [{"token": "b"}]}], ["a", "b"]),
        ([{"content": None}, {"content": [{"token": "b"}]}], ["b"]),
    ],
)
def test_logprobs_are_joined(pieces: list[Any], expected: list[str]) -> None:
    """Logprobs are merged token by token."""
    accumulator = CHAT.accumulate({"model": "m"}, object())
    for piece in pieces:
        item = chunk(content="x")
        item.choices[0].logprobs = piece
        accumulator.add(item)
    [choice] = accumulator.response().outputs["choices"]
    assert [entry["token"] for entry in choice["logprobs"]["content"]] == expected


def test_logprobs_of_another_shape_are_no_fault() -> None:
    """Of logprobs with another shape, the last is kept, without an error."""
    accumulator = CHAT.accumulate({"model": "m"}, object())
    for piece in (0.5, "odd"):
        item = chunk(content="x")
        item.choices[0].logprobs = piece
        accumulator.add(item)
    [choice] = accumulator.response().outputs["choices"]
    assert choice["logprobs"] == "odd"
    assert choice["message"]["content"] == "xx"


def test_text_that_stays_empty_is_no_missing_text() -> None:
    """An empty text differs from a missing text, which a response with only tool calls has."""
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    assert message(chunk(content=""), chunk())["content"] == ""
    assert message(chunk(content=None), chunk())["content"] is None
    assert message(chunk(content=""), chunk(tool_calls=[call]))["content"] is None


def test_audio_and_provider_fields_are_joined() -> None:
    """Texts are concatenated, dicts are merged by key, and lists are concatenated."""
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
    """The merged text is the concatenation of the pieces, for any pieces."""
    said = message(chunk(content=""), *[chunk(content=piece) for piece in pieces])
    assert (said["content"] or "") == to_jsonable("".join(pieces))


def seconds(count: int) -> float:
    """Return the seconds that merging this number of audio chunks takes."""
    chunks = [chunk(audio={"data": "A" * 1000, "transcript": "x"}) for _ in range(count)]
    began = time.perf_counter()
    message(*chunks)
    return time.perf_counter() - began


def test_joining_takes_time_in_proportion_to_the_chunks() -> None:
    """Merging takes linear time, as it runs in the reader's event loop."""
    few, many = (min(seconds(count) for _ in range(3)) for count in (200, 2000))
    assert many < few * 30


def test_what_is_done_to_a_chunk_afterwards_is_not_recorded() -> None:
    """Later changes to a chunk's counts or to its fields beside the choices are not recorded."""
    accumulator = CHAT.accumulate({"model": "m"}, object())
    last = chunk(content="hello")
    last.usage = litellm.Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2)
    last.citations = ["one"]
    accumulator.add(last)
    last.usage.prompt_tokens = 999
    last.citations.append("added")
    answer = accumulator.response()
    assert answer.usage == {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    assert answer.outputs["citations"] == ["one"]
