"""Tags, session, user and metadata are read from a call's arguments. No MLflow, no network."""

from __future__ import annotations

import threading
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_trace_tag

from mlflow_litellm._payloads import metadata
from mlflow_litellm._payloads.kinds.table import CHAT
from mlflow_litellm._payloads.secrets import REDACTED

SOURCES = ["metadata", "litellm_metadata"]
ROUTERS = {
    "model_group": "fast",
    "deployment": "openai/gpt-4o-mini",
    "attempted_retries": 0,
    "attempted_fallbacks": 1,
}


class Stage(str, Enum):
    """A tag as an enum, as programs define it."""

    LIVE = "stage:live"


class Stubborn:
    """An object whose truth value, text and comparison raise, as an array's do."""

    def __bool__(self) -> bool:
        raise ValueError

    def __str__(self) -> str:
        raise ValueError

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        raise ValueError


class Veiled:
    """An object that hides its class, as proxy objects may."""

    @property
    def __class__(self) -> Any:
        raise LookupError


ODD = [None, 0, 1.5, True, "", "text", [], [None], {}, {"a": None}, object(), Stubborn(), b"x"]


def tags(*given_tags: Any) -> dict[str, str]:
    """Return the trace tags for a request's list of tags."""
    return metadata.tags({"metadata": {"tags": list(given_tags)}})


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("jobID:42", {"jobID": "42"}),
        ("plain", {"plain": ""}),
        ("a:b:c", {"a": "b:c"}),
        (" a : b ", {"a": "b"}),
        (" plain ", {"plain": ""}),
        ("url:https://host/path", {"url": "https://host/path"}),
        ("a:", {"a": ""}),
        (":b", {}),
        (":", {}),
        ("", {}),
        ("   ", {}),
        (7, {"7": ""}),
        (Stage.LIVE, {"stage": "live"}),
        ("naïve:日本", {"naïve": "日本"}),
        ("team/prod.eu-1 x_y:z", {"team/prod.eu-1 x_y": "z"}),
    ],
)
def test_tag_is_split_at_its_first_colon(tag: Any, expected: dict[str, str]) -> None:
    """A tag is split at its first colon, spaces are stripped, and an empty name is ignored."""
    assert tags(tag) == expected


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a//b", "a__b"),
        ("/x", "_x"),
        ("x/", "x_"),
        ("..", "__"),
        (".", "_"),
        ("a/../b", "a____b"),
        ("./a", "__a"),
        (".hidden", ".hidden"),
        ('it\'s "quoted"', "it_s _quoted_"),
        ("fire 🔥", "fire _"),
        ("two\nlines", "two_lines"),
        ("\ud800", "_"),
        ("n" * 300, "n" * 250),
        ("n" * 249 + "/tail", "n" * 249 + "_"),
    ],
)
def test_name_that_mlflow_refuses_is_changed(name: str, safe: str) -> None:
    """A name that MLflow refuses is changed, as some stores would refuse the whole trace."""
    assert tags(f"{name}:v") == {safe: "v"}


@given(st.lists(st.text(st.characters(codec=None), max_size=300) | st.integers()))
def test_mlflow_takes_every_tag(found: list[Any]) -> None:
    """MLflow's own check accepts every tag."""
    for name, value in tags(*found).items():
        assert _validate_trace_tag(name, value) == (name, value)


def test_long_value_is_cut() -> None:
    """A long value is cut to the limit of MLflow's stores."""
    assert tags("long:" + "v" * 10_000) == {"long": "v" * 8000}


@pytest.mark.parametrize("tag", ["mlflow.traceName:x", "mlflow.artifactLocation:/etc", "mlflow."])
def test_mlflows_own_tags_cannot_be_set(tag: str) -> None:
    """MLflow's own tags cannot be set, as they contain the location of a trace."""
    assert tags(tag, "a:b") == {"a": "b"}
    assert metadata.tags({"metadata": {"trace_metadata": {tag.partition(":")[0]: "x"}}}) == {}


def test_other_kinds_of_tags_are_left_out() -> None:
    """A tag that is not a text is ignored, and the other tags are kept."""
    assert tags(None, {"a": 1}, ["b"], object(), Stubborn(), "good:1") == {"good": "1"}


@pytest.mark.parametrize("odd", ODD)
def test_tags_that_are_no_list_are_none(odd: Any) -> None:
    """Tags that are not a list are ignored. A text is not read as a list of letters."""
    assert metadata.tags({"metadata": {"tags": odd}, "tags": odd}) == {}


def test_tags_of_all_places_are_joined() -> None:
    """Tags from the argument, ``metadata`` and ``litellm_metadata`` are merged, in this order."""
    arguments = {
        "tags": ["a:1"],
        "metadata": {"tags": ("a:2", "b:2")},
        "litellm_metadata": {"tags": ["a:3", "b:3", "c:3"]},
    }
    assert metadata.tags(arguments) == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("source", SOURCES)
def test_langfuses_keys_of_a_trace_are_tags(source: str) -> None:
    """Langfuse's trace keys are recorded by name, and its trace metadata by key and redacted."""
    given_metadata = {
        "trace_id": UUID(int=7),
        "trace_name": "checkout",
        "trace_version": 1.5,
        "trace_release": "v2",
        "trace_metadata": {
            "plan": "pro",
            "seats": 3,
            "deep": {"a": [1]},
            "api_key": "k",
            "no": None,
        },
        "generation_name": "first",
    }
    assert metadata.trace_metadata({source: given_metadata}) == {
        "trace_id": str(UUID(int=7)),
        "trace_name": "checkout",
        "trace_version": "1.5",
        "trace_release": "v2",
        "plan": "pro",
        "seats": "3",
        "deep": '{"a": [1]}',
        "api_key": "[REDACTED]",
    }
    assert (metadata.call_metadata({source: given_metadata}) or {})["generation_name"] == "first"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"metadata": {"session_id": "a"}, "litellm_metadata": {"session_id": "b"}}, "a"),
        ({"litellm_metadata": {"session_id": "b"}, "litellm_session_id": "c"}, "b"),
        ({"metadata": {"session_id": None}, "litellm_session_id": "c"}, "c"),
        ({"metadata": {"session_id": UUID(int=7)}}, str(UUID(int=7))),
        ({"metadata": {"session_id": 42}}, "42"),
        ({"metadata": {"session_id": " s "}}, "s"),
        ({"metadata": {"session_id": "s" * 300}}, "s" * 250),
        ({"metadata": {"session_id": "  "}}, None),
        ({}, None),
    ],
)
def test_session_is_the_first_that_is_said(arguments: dict[str, Any], expected: str | None) -> None:
    """The session is the first value in order of precedence, cut to the limit of MLflow's store."""
    assert metadata.session(arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"metadata": {"trace_user_id": "a", "user_id": "d"}, "user": "c"}, "a"),
        ({"litellm_metadata": {"trace_user_id": "b"}, "user": "c"}, "b"),
        ({"user": "c", "metadata": {"user_id": "d"}}, "c"),
        ({"metadata": {"user_id": "d", "user_api_key_end_user_id": "e"}}, "d"),
        ({"metadata": {"user_api_key_end_user_id": "e"}}, "e"),
        ({"user": "u" * 300}, "u" * 250),
        ({"user": None, "metadata": None}, None),
    ],
)
def test_user_is_the_first_that_is_said(arguments: dict[str, Any], expected: str | None) -> None:
    """The user is Langfuse's key, else OpenAI's parameter, else LiteLLM Proxy's user."""
    assert metadata.user(arguments) == expected


def test_metadata_is_recorded_without_secrets() -> None:
    """Metadata is recorded as JSON types without secrets."""
    given_metadata = {
        "tags": ["a"],
        "feature": {"name": "search", "password": "p"},
        "webhook": "https://user:secret@host/hook?token=t",
        "lock": threading.Lock(),
    }
    assert metadata.call_metadata({"metadata": given_metadata}) == {
        "tags": ["a"],
        "feature": {"name": "search", "password": "[REDACTED]"},
        "webhook": "https://host/hook?token=[REDACTED]",
        "lock": "<_thread.lock>",
    }


def test_metadata_of_both_places_is_joined() -> None:
    """Both metadata arguments are merged, and ``metadata`` has precedence."""
    arguments = {"metadata": {"a": 1}, "litellm_metadata": {"a": 2, "b": 2}}
    assert metadata.call_metadata(arguments) == {"a": 1, "b": 2}


@pytest.mark.parametrize("source", SOURCES)
def test_what_router_notes_becomes_attributes(source: str) -> None:
    """Router's notes become attributes, not metadata, as they do not come from the caller."""
    noted = {**ROUTERS, "model_info": {"id": "deployment-1", "db_model": False}}
    assert metadata.call_metadata({source: noted}) is None
    assert metadata.router_attributes({source: noted}) == {**ROUTERS, "model_id": "deployment-1"}


def test_litellms_own_entries_are_left_out() -> None:
    """LiteLLM's own entries are ignored, as some hold keys and headers of the proxy's callers."""
    noted = {
        "user_api_key": "sk-1",
        "user_api_key_alias": "a",
        "litellm_parent_otel_span": object(),
        "_internal": 1,
        "hidden_params": {},
        "requester_custom_headers": {"x": "y"},
        "caching_groups": [],
        "previous_models": [{}],
        "api_base": "http://host",
    }
    assert metadata.call_metadata({"metadata": noted}) is None
    assert metadata.router_attributes({"metadata": noted}) == {}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("source", SOURCES)
def test_odd_metadata_costs_nothing_else(source: str, odd: Any) -> None:
    """Odd metadata, or any odd entry, does not affect the rest of the recorded request."""
    keys = ("tags", "session_id", "trace_user_id", "user_id", "trace_id", "trace_name",
            "trace_version", "trace_release", "trace_metadata", "model_info", *ROUTERS)  # fmt: skip
    for value in (odd, dict.fromkeys(keys, odd), {odd if odd is None else "k": odd, 1: odd}):
        request = CHAT.request({"model": "m", "messages": [], source: value, "user": odd})
        assert request.inputs["model"] == "m"
        assert all(isinstance(text, str) for text in request.tags.values())
        assert isinstance(request.session, (str, type(None)))
        assert isinstance(request.user, (str, type(None)))


@pytest.mark.parametrize("source", SOURCES)
def test_metadata_that_does_not_tell_what_it_is_costs_nothing_else(source: str) -> None:
    """Metadata, or an entry, that hides its class does not affect the rest of the request."""
    for value in (Veiled(), dict.fromkeys(("tags", "session_id", "trace_id", "x"), Veiled())):
        request = CHAT.request({"model": "m", source: value, "user": Veiled()})
        assert (request.tags, request.session, request.user) == ({}, None, None)


def test_routers_notes_are_routers_alone() -> None:
    """Router's notes are recorded only with Router's `model_info`: a user may use their names."""
    noted = {"model_group": "g", "deployment": {"api_key": "k"}, "attempted_retries": "many"}
    assert metadata.call_metadata({"metadata": noted}) is None
    assert metadata.router_attributes({"metadata": noted}) == {}
    by_router = {**noted, "model_info": {"id": "d-1"}}
    attributes = {"model_id": "d-1", "model_group": "g"}
    assert metadata.router_attributes({"metadata": by_router}) == attributes


@pytest.mark.parametrize(
    "entry",
    [
        {"db_pass": "hunter2x"},
        {"tokens": ["ghp_abcdefghij12345"]},
        {"note": "Bearer sk-abcdef1234567"},
        {"config": '{"api_key": "sk-abcdef1234567"}'},
    ],
)
def test_what_looks_like_a_key_is_not_kept(entry: dict[str, Any]) -> None:
    """A key in an entry is redacted, regardless of the entry's name."""
    [value] = (metadata.call_metadata({"metadata": entry}) or {}).values()
    assert REDACTED in value
    assert not any(key in value for key in ("hunter", "ghp", "sk-"))
