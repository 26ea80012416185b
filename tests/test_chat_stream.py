"""Chunks become the answer that would have come unstreamed: no MLflow, no network."""

from __future__ import annotations

import time
from typing import Any

import litellm
from hypothesis import given
from hypothesis import strategies as st

from mlflow_litellm.payloads import chat_stream
from mlflow_litellm.payloads._plain import plain


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
