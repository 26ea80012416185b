"""Messages and tools are recorded from containers that are neither lists nor dicts."""

from __future__ import annotations

import collections
import collections.abc
import io
import subprocess
import sys
import types
from collections import UserDict, UserList, UserString, deque
from typing import TYPE_CHECKING, Any

import litellm
import numpy as np
import pytest

from mlflow_litellm._payloads import metadata
from mlflow_litellm._payloads.kinds.table import CHAT, EMBEDDING, RESPONSES
from mlflow_litellm._payloads.secret_values import secrets
from mlflow_litellm._payloads.secrets import REDACTED, redacted
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.tools import has_mcp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from traces import Traces

MESSAGE = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


class Ours(collections.abc.Sequence):
    """A user-defined sequence."""

    def __init__(self, given: list[Any]) -> None:
        self._given = given

    def __getitem__(self, index: Any) -> Any:
        return self._given[index]

    def __len__(self) -> int:
        return len(self._given)


class Declared(collections.abc.Collection):
    """A class that only declares itself a collection."""

    def __init__(self, given: list[Any]) -> None:
        self._given = given

    def __contains__(self, item: Any) -> bool:
        return item in self._given

    def __iter__(self) -> Iterator[Any]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


class Lazy:
    """A lazy object with the methods of a sequence that queries a server, like a database query."""

    def __init__(self, given: list[Any]) -> None:
        self._given = given
        self.reads = 0

    def __iter__(self) -> Iterator[Any]:
        self.reads += 1
        return iter(self._given)

    def __len__(self) -> int:
        self.reads += 1
        return len(self._given)

    __contains__ = None


LISTS: dict[str, Callable[[list[Any]], Any]] = {
    "deque": lambda given: deque(given, maxlen=9),
    "tuple": tuple,
    "UserList": UserList,
    "array": lambda given: np.array(given, dtype=object),
    "values": lambda given: dict(enumerate(given)).values(),
    "keys": lambda given: dict.fromkeys(given).keys(),
    "sequence": Ours,
    "collection": Declared,
}
SENT = sorted(LISTS.keys() - {"keys", "values", "collection"})


@pytest.mark.parametrize("kind", SENT)
def test_messages_and_tools_in_any_container_are_recorded_as_lists(
    kind: str, tracing: Traces
) -> None:
    """Messages and tools in any container are recorded as lists, as LiteLLM sends them."""
    made = LISTS[kind]
    # LiteLLM accepts arrays of one item only.
    given = made([MESSAGE])
    answer = litellm.completion(
        "openai/gpt-4o", given, tools=made([TOOL]), stop=made(["a"]), api_key="k",
        mock_response="ok", metadata={"tags": made(["env:test"]), "session_id": "s"},
    )  # fmt: skip
    assert answer.choices[0].message.content == "ok"
    inputs = tracing.span().inputs
    assert [inputs[name] for name in ("messages", "tools", "stop")] == [[MESSAGE], [TOOL], ["a"]]
    assert tracing.one().info.tags["env"] == "test"
    assert list(given) == [MESSAGE]


@pytest.mark.parametrize("kind", LISTS)
def test_texts_in_any_container_are_recorded_as_lists(kind: str) -> None:
    """Texts in any container are recorded as lists, for each kind of call and inside other data."""
    given = LISTS[kind](["a", "b"])
    assert to_jsonable({"given": [given]}) == {"given": [["a", "b"]]}
    assert RESPONSES.request({"input": given}).inputs["input"] == ["a", "b"]
    assert EMBEDDING.request({"input": given}).inputs["input"] == ["a", "b"]
    assert metadata.tags({"tags": given}) == {"a": "", "b": ""}


def test_tokens_in_any_container_are_counted() -> None:
    """Token ids in any container are recorded as a count, as people cannot read them."""
    for tokens in (range(4), np.arange(4), deque(range(4))):
        assert EMBEDDING.request({"input": tokens}).inputs["input"] == "<4 tokens>"
        assert EMBEDDING.request({"input": [tokens]}).inputs["input"] == ["<4 tokens>"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (range(3), [0, 1, 2]),
        (np.array([[1, 2.5]]), [[1.0, 2.5]]),
        (np.array(7), 7),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(1), True),
        (UserString("text"), "text"),
        (UserDict(a=deque([1])), {"a": [1]}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
        ({"a": 1}.items(), [["a", 1]]),
        (memoryview(b"abc"), "<3 bytes>"),
        (range(10**12), [*range(100_000), "<999999900000 more>"]),
    ],
)
def test_what_can_be_read_again_is_data(value: Any, expected: Any) -> None:
    """A container that can be read repeatedly is recorded as JSON types."""
    assert to_jsonable(value) == expected


@pytest.mark.parametrize("kind", [UserDict, types.MappingProxyType])
def test_metadata_in_any_mapping_is_read(kind: Callable[[dict[str, Any]], Any]) -> None:
    """Metadata in any mapping is read like a dict."""
    given = kind({"tags": ("a:b",), "session_id": "s", "x": 1, "model_info": kind({"id": "d"})})
    arguments = {"metadata": given}
    assert metadata.tags(arguments) == {"a": "b"}
    assert metadata.session(arguments) == "s"
    assert (metadata.call_metadata(arguments) or {})["x"] == 1
    assert metadata.router_attributes(arguments) == {"model_id": "d"}


@pytest.mark.parametrize("kind", LISTS)
def test_secret_in_any_container_is_found(kind: str) -> None:
    """A secret in any container is redacted, also in the text of an exception."""
    found = secrets({"extra_body": LISTS[kind](["x7Kq2mZv9w"])}, CHAT.recorded)
    assert redacted("refused x7Kq2mZv9w", found) == f"refused {REDACTED}"


@pytest.mark.parametrize("kind", sorted(LISTS.keys() - {"keys"}))
def test_tools_of_a_server_are_seen_in_any_container(kind: str) -> None:
    """MCP tools, which LiteLLM runs itself, are found in any container."""
    assert has_mcp(LISTS[kind]([{"type": "mcp"}]))


@pytest.mark.parametrize(
    "make",
    [
        iter,
        lambda given: (item for item in given),
        lambda given: map(str, given),
        lambda given: zip(given, given, strict=True),
        lambda given: io.StringIO("\n".join(given)),
    ],
)
def test_what_reading_would_consume_is_left_alone(make: Callable[[list[str]], Any]) -> None:
    """An iterator is not consumed, because the call still needs it."""
    given, untouched = make(["a", "b"]), make(["a", "b"])
    arguments = {"messages": given, "input": given, "stop": given, "tools": given, "tags": given}
    for payload in (CHAT, RESPONSES, EMBEDDING):
        payload.request(arguments)
    secrets(arguments, frozenset())
    assert not has_mcp(given)
    assert list(given) == list(untouched)


def test_what_is_only_like_a_container_is_not_read() -> None:
    """An object that only resembles a container is not read, as a read may query a slow server."""
    query = Lazy([MESSAGE])
    assert CHAT.request({"messages": query, "tools": query}).inputs["messages"].endswith("Lazy>")
    secrets({"extra_body": query, "metadata": query}, frozenset())
    assert query.reads == 0


class Broken(Ours):
    """A sequence whose reading fails in one of several ways."""

    def __init__(self, way: str) -> None:
        super().__init__([])
        self._way = way

    def __len__(self) -> int:
        if self._way == "size":
            raise RuntimeError
        return {"negative": -1, "huge": 10**30, "endless": 10}.get(self._way, 1)

    def __iter__(self) -> Iterator[Any]:
        if self._way == "items":
            raise RuntimeError
        while True:
            yield "a"


@pytest.mark.parametrize("way", ["size", "negative", "huge", "items", "endless"])
def test_broken_container_costs_itself_alone(way: str) -> None:
    """A broken container affects only itself, and reading an endless one stops."""
    broken = Broken(way)
    given = dict.fromkeys(("input", "stop", "tags", "tools"), broken)
    given["messages"] = [MESSAGE]
    told = CHAT.request({**given, "metadata": {"tags": broken, "x": 1}})
    assert told.inputs["messages"] == [MESSAGE]
    assert len(told.inputs["stop"]) <= 100
    assert (told.metadata or {})["x"] == 1
    assert len(EMBEDDING.request(given).inputs["input"]) <= 100
    assert not has_mcp(broken)
    assert "x7Kq2mZv9w" in secrets({**given, "api_key": "x7Kq2mZv9w"}, frozenset())


def test_numpy_is_not_imported_for_it() -> None:
    """Numpy is not imported, which takes 0.1 s: callers with arrays have imported it already."""
    code = (
        "import sys; from collections import deque; sys.modules['numpy'] = None\n"
        "from mlflow_litellm._payloads.serialize import to_jsonable\n"
        "print(to_jsonable(deque([1])), sys.modules['numpy'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1] None"
