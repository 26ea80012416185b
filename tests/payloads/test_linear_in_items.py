"""Reading many items, such as messages, tags and chunks, takes linear time in their number."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from growth import is_linear

from mlflow_litellm._payloads import metadata
from mlflow_litellm._payloads.kinds.table import (
    ANTHROPIC_MESSAGES,
    CHAT,
    GENERATE_CONTENT,
    RESPONSES,
)
from mlflow_litellm._payloads.secret_values import Redaction, secrets
from mlflow_litellm._payloads.secrets import redacted
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Callable


def nested(depth: int) -> Any:
    """Return nested lists and dicts."""
    value: Any = "core"
    for _ in range(depth):
        value = [{"a": value}]
    return value


def shared(count: int) -> dict[str, Any]:
    """Return a dict that has one dict under many names."""
    same = {f"b{number}": "x" for number in range(count)}
    return {f"a{number}": same for number in range(count)}


def conversation(count: int) -> list[dict[str, Any]]:
    """Return messages with the usual roles."""
    return [{"role": "user", "content": f"message {number}"} for number in range(count)]


def quoting(count: int) -> tuple[str, list[str]]:
    """Return secrets, and a text that contains each of them."""
    known = [f"x7Kq2/{number:08}" for number in range(count)]
    return json.dumps(known), known


def below(count: int) -> Redaction:
    """Return the redaction of a call with many inner calls, each of which has its own key."""
    inner = [
        Redaction({"api_key": f"x7Kq{number}"}, frozenset(), []) for number in range(count // 9)
    ]
    return Redaction({}, frozenset(), inner)


ITEMS: dict[str, Callable[[int], Callable[[], Any]]] = {
    "messages": lambda n: lambda: CHAT.request({"messages": conversation(n)}),
    "messages of a failure": lambda n: (
        lambda: secrets({"messages": conversation(n), "extra_body": conversation(n)}, CHAT.recorded)
    ),
    "parts": lambda n: (
        lambda: ANTHROPIC_MESSAGES.request(
            {"messages": [{"content": [{"type": "text", "text": "a"}] * n}]}
        )
    ),
    "tags": lambda n: lambda: metadata.tags({"tags": [f"key-{number}:a" for number in range(n)]}),
    "metadata": lambda n: (
        lambda: metadata.call_metadata({"metadata": {f"key-{number}": "a" for number in range(n)}})
    ),
    "metadata of a trace": lambda n: (
        lambda: metadata.trace_metadata(
            {"metadata": {"trace_metadata": {f"key-{number}": "a" for number in range(n)}}}
        )
    ),
    "levels": lambda n: lambda: to_jsonable(nested(n)),
    "levels of what is secret": lambda n: lambda: secrets({"a": nested(n)}, frozenset()),
    "levels of deployments": lambda n: lambda: secrets({"fallbacks": nested(n)}, frozenset()),
    "secrets in a text": lambda n: lambda: redacted(*quoting(n)),
    "secrets of calls below": lambda n: lambda: below(n)("refused x7Kq1, and so on"),
}


@pytest.mark.parametrize("kind", ITEMS)
def test_time_grows_with_the_number_alone(kind: str) -> None:
    """The time is linear in the number of items."""
    assert is_linear(ITEMS[kind], 200, 2_000, 20_000)


def test_what_stands_in_many_places_is_looked_through_once() -> None:
    """An object under many names is searched once, unless a name indicates a secret."""
    assert is_linear(lambda n: lambda: secrets({"a": shared(n)}, frozenset()), 50, 500, 5_000)
    same = {"a": "x7Kq2mZv9w"}
    assert same["a"] in secrets({"tools": [same, {"apiKey": same}]}, frozenset({"tools"}))


def chat_chunk(**delta: Any) -> Any:
    """Return a chunk of a chat completion stream with the attributes of LiteLLM's objects."""
    choice = SimpleNamespace(
        index=0, delta=SimpleNamespace(**delta, __pydantic_extra__=None), __pydantic_extra__=None
    )
    return SimpleNamespace(choices=[choice], __pydantic_extra__=None)


def calls(number: int) -> Any:
    """Return a chunk that begins a tool call."""
    function = {"name": "f", "arguments": "{}"}
    return chat_chunk(tool_calls=[{"index": number, "id": f"c{number}", "function": function}])


CHUNKS: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "calls of tools": (CHAT, calls),
    "what a provider alone tells": (
        CHAT,
        lambda number: chat_chunk(provider_specific_fields={f"a{number}": 1}),
    ),
    "parts of a response": (
        RESPONSES,
        lambda number: {
            "type": "response.output_text.delta", "output_index": 0, "content_index": number,
            "delta": "a",
        },
    ),
    "blocks of a message": (
        ANTHROPIC_MESSAGES,
        lambda number: {
            "type": "content_block_delta", "index": number,
            "delta": {"type": "text_delta", "text": "a"},
        },
    ),
    "bytes of no event": (ANTHROPIC_MESSAGES, lambda _: b"data: {\n"),
    "parts of a candidate": (
        GENERATE_CONTENT,
        lambda _: {"candidates": [{"content": {"parts": [{"text": "a"}]}}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHUNKS)
def test_time_of_a_stream_grows_with_its_chunks_alone(kind: str) -> None:
    """The time is linear in the number of chunks, as each is read and merged once."""
    payload, chunk = CHUNKS[kind]

    def work(count: int) -> Callable[[], Any]:
        def run() -> Any:
            accumulator = payload.accumulate({"model": "openai/gpt-4o"}, None)
            for number in range(count):
                accumulator.add(chunk(number))
            return accumulator.response()

        return run

    assert is_linear(work, 200, 2_000, 20_000)
