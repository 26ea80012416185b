"""Tags, session, user and metadata out of what a call is given: no MLflow, no network."""

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
from mlflow_litellm._payloads.kinds import chat
from mlflow_litellm._payloads.secrets import REDACTED

SOURCES = ["metadata", "litellm_metadata"]
ROUTERS = {
    "model_group": "fast",
    "deployment": "openai/gpt-4o-mini",
    "attempted_retries": 0,
    "attempted_fallbacks": 1,
}


class Stage(str, Enum):
    """A tag as programs keep them."""

    LIVE = "stage:live"


class Stubborn:
    """Has no truth value, no text and no equal, as an array."""

    def __bool__(self) -> bool:
        raise ValueError

    def __str__(self) -> str:
        raise ValueError

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        raise ValueError


class Veiled:
    """Does not tell what it is, as proxies may not."""

    @property
    def __class__(self) -> Any:
        raise LookupError


ODD = [None, 0, 1.5, True, "", "text", [], [None], {}, {"a": None}, object(), Stubborn(), b"x"]


def tags(*given_tags: Any) -> dict[str, str]:
    """Return the trace tags that a request's list of tags becomes."""
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
    """Spaces are stripped from both, and what has no name is no tag."""
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
    """It would cost the whole trace on some stores; the tag is worth keeping."""
    assert tags(f"{name}:v") == {safe: "v"}


@given(st.lists(st.text(st.characters(codec=None), max_size=300) | st.integers()))
def test_mlflow_takes_every_tag(found: list[Any]) -> None:
    """By its own check, whatever was given."""
    for name, value in tags(*found).items():
        assert _validate_trace_tag(name, value) == (name, value)


def test_long_value_is_cut() -> None:
    """To what MLflow's stores hold."""
    assert tags("long:" + "v" * 10_000) == {"long": "v" * 8000}


@pytest.mark.parametrize("tag", ["mlflow.traceName:x", "mlflow.artifactLocation:/etc", "mlflow."])
def test_mlflows_own_tags_cannot_be_set(tag: str) -> None:
    """They say where a trace is stored."""
    assert tags(tag, "a:b") == {"a": "b"}
    assert metadata.tags({"metadata": {"trace_metadata": {tag.partition(":")[0]: "x"}}}) == {}


def test_other_kinds_of_tags_are_left_out() -> None:
    """One that is no text costs none of the others."""
    assert tags(None, {"a": 1}, ["b"], object(), Stubborn(), "good:1") == {"good": "1"}


@pytest.mark.parametrize("odd", ODD)
def test_tags_that_are_no_list_are_none(odd: Any) -> None:
    """A text is not the list of its letters."""
    assert metadata.tags({"metadata": {"tags": odd}, "tags": odd}) == {}


def test_tags_of_all_places_are_joined() -> None:
    """The argument, ``metadata`` and ``litellm_metadata``; the former wins."""
    arguments = {
        "tags": ["a:1"],
        "metadata": {"tags": ("a:2", "b:2")},
        "litellm_metadata": {"tags": ["a:3", "b:3", "c:3"]},
    }
    assert metadata.tags(arguments) == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("source", SOURCES)
def test_langfuses_keys_of_a_trace_are_tags(source: str) -> None:
    """By their own names; trace metadata by the names in it, cleaned."""
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
    assert metadata.attributes({source: given_metadata})["metadata"]["generation_name"] == "first"


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
    """Cut to the length over which MLflow's store refuses the trace."""
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
    """Langfuse's key before OpenAI's parameter before LiteLLM's proxy."""
    assert metadata.user(arguments) == expected


def test_metadata_is_recorded_without_secrets() -> None:
    """As plain data, whatever was in it."""
    given_metadata = {
        "tags": ["a"],
        "feature": {"name": "search", "password": "p"},
        "webhook": "https://user:secret@host/hook?token=t",
        "lock": threading.Lock(),
    }
    assert metadata.attributes({"metadata": given_metadata}) == {
        "metadata": {
            "tags": ["a"],
            "feature": {"name": "search", "password": "[REDACTED]"},
            "webhook": "https://host/hook?token=[REDACTED]",
            "lock": "<_thread.lock>",
        }
    }


def test_metadata_of_both_places_is_joined() -> None:
    """``metadata`` wins, as for tags, session and user."""
    arguments = {"metadata": {"a": 1}, "litellm_metadata": {"a": 2, "b": 2}}
    assert metadata.attributes(arguments) == {"metadata": {"a": 1, "b": 2}}


@pytest.mark.parametrize("source", SOURCES)
def test_what_router_notes_becomes_attributes(source: str) -> None:
    """Not metadata: the caller did not say it."""
    noted = {**ROUTERS, "model_info": {"id": "deployment-1", "db_model": False}}
    assert metadata.attributes({source: noted}) == {**ROUTERS, "model_id": "deployment-1"}


def test_litellms_own_entries_are_left_out() -> None:
    """Some of them hold keys and headers of the proxy's callers."""
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
    assert metadata.attributes({"metadata": noted}) == {}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("source", SOURCES)
def test_odd_metadata_costs_nothing_else(source: str, odd: Any) -> None:
    """The request is recorded, with the whole of it odd, or any entry."""
    keys = ("tags", "session_id", "trace_user_id", "user_id", "trace_id", "trace_name",
            "trace_version", "trace_release", "trace_metadata", "model_info", *ROUTERS)  # fmt: skip
    for value in (odd, dict.fromkeys(keys, odd), {odd if odd is None else "k": odd, 1: odd}):
        request = chat.request({"model": "m", "messages": [], source: value, "user": odd})
        assert request.inputs["model"] == "m"
        assert all(isinstance(text, str) for text in request.tags.values())
        assert isinstance(request.session, (str, type(None)))
        assert isinstance(request.user, (str, type(None)))


@pytest.mark.parametrize("source", SOURCES)
def test_metadata_that_does_not_tell_what_it_is_costs_nothing_else(source: str) -> None:
    """Nor does any entry that does not."""
    for value in (Veiled(), dict.fromkeys(("tags", "session_id", "trace_id", "x"), Veiled())):
        request = chat.request({"model": "m", source: value, "user": Veiled()})
        assert (request.tags, request.session, request.user) == ({}, None, None)


def test_routers_notes_are_routers_alone() -> None:
    """What a user gives by the same names is neither taken for them nor kept uncleaned."""
    noted = {"model_group": "g", "deployment": {"api_key": "k"}, "attempted_retries": "many"}
    assert metadata.attributes({"metadata": noted}) == {}
    by_router = {**noted, "model_info": {"id": "d-1"}}
    assert metadata.attributes({"metadata": by_router}) == {"model_id": "d-1", "model_group": "g"}


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
    """By whatever name it goes."""
    [value] = metadata.attributes({"metadata": entry})["metadata"].values()
    assert REDACTED in value
    assert not any(key in value for key in ("hunter", "ghp", "sk-"))
