"""The trace has the identity and labels of a request, as LiteLLM documents them for its proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import mlflow
import openai
import pytest
from custom_auth import MASTER_KEY, VIRTUAL_KEY
from gateways import root

if TYPE_CHECKING:
    from gateways import Gateway, Spans
    from mlflow.entities import Trace

MESSAGES = [{"role": "user", "content": "what llm are you"}]
USER, SESSION = "mlflow.trace.user", "mlflow.trace.session"
TEAM = {
    "user_api_key_alias": "research-key",
    "user_api_key_team_id": "team-1",
    "user_api_key_team_alias": "Research",
}


def ask(
    gateway: Gateway,
    body: dict[str, Any],
    headers: dict[str, str] | None = None,
    key: str = VIRTUAL_KEY,
) -> None:
    """Send a chat, as curl does."""
    answer = httpx.post(
        f"{gateway.url}/chat/completions",
        json={"model": "chat", "messages": MESSAGES, **body},
        headers={"Authorization": f"Bearer {key}", **(headers or {})},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text


def ask_by_sdk(gateway: Gateway, **fields: Any) -> None:
    """Send a chat with OpenAI's SDK."""
    with openai.OpenAI(api_key=VIRTUAL_KEY, base_url=gateway.url, max_retries=0) as client:
        client.chat.completions.create(model="chat", messages=MESSAGES, **fields)


def tagged(tag: str, **fields: Any) -> dict[str, Any]:
    """Return the fields of a request with a tag by which its trace is found."""
    return {"litellm_metadata": {"tags": [tag]}, **fields}


@pytest.mark.parametrize("name", ["litellm_metadata", "metadata"])
def test_tags_of_the_body_are_tags_of_the_trace(
    name: str, gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """Tags of the body work as on LiteLLM's pages about MLflow and about tags."""
    ask(gateway, {name: {"tags": [tag, "jobID:214590dsff09fds", "taskName:classification"]}})
    told = recorded.tagged(tag).info.tags
    assert told[tag] == ""
    assert (told["jobID"], told["taskName"]) == ("214590dsff09fds", "classification")


def test_tags_in_both_places_are_joined(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """Tags in both places are merged."""
    ask(gateway, {"litellm_metadata": {"tags": [tag]}, "metadata": {"tags": ["job:7"]}})
    assert recorded.tagged(tag).info.tags["job"] == "7"


def test_tags_of_the_header_are_tags_of_the_trace(
    gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """Tags of the header are separated by commas."""
    ask(gateway, {}, {"x-litellm-tags": f"{tag},job:7"})
    told = recorded.tagged(tag).info.tags
    assert (told[tag], told["job"]) == ("", "7")


@pytest.mark.parametrize("name", ["litellm_metadata", "metadata"])
def test_tags_by_openais_sdk(name: str, gateway: Gateway, recorded: Spans, tag: str) -> None:
    """Tags in `extra_body` work as on LiteLLM's page about MLflow."""
    ask_by_sdk(gateway, extra_body={name: {"tags": [tag, "taskName:classification"]}})
    assert recorded.tagged(tag).info.tags["taskName"] == "classification"


def test_headers_by_openais_sdk(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """Headers in `extra_headers` set tags and session of the trace."""
    headers = {"x-litellm-tags": f"{tag},job:7", "x-litellm-session-id": f"s-{tag}"}
    ask_by_sdk(gateway, extra_headers=headers)
    trace = recorded.tagged(tag)
    assert (trace.info.tags["job"], trace.info.trace_metadata[SESSION]) == ("7", f"s-{tag}")


def test_tags_of_the_key_are_tags_of_the_trace(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """The trace has the tags of the key beside those of the request."""
    ask(gateway, tagged(tag))
    assert recorded.tagged(tag).info.tags["of-the-key"] == ""


def test_key_and_team_are_tags_and_attributes(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """Key and team have the names of LiteLLM's own logs."""
    ask(gateway, tagged(tag))
    trace = recorded.tagged(tag)
    assert TEAM.items() <= trace.info.tags.items()
    assert {**TEAM, "user_api_key_user_id": "alice"}.items() <= root(trace).attributes.items()


def test_traces_are_found_by_team(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """MLflow's search finds the traces of a team, and none of other keys."""
    ask(gateway, tagged(tag))
    ask(gateway, tagged(f"{tag}-other"), key=MASTER_KEY)
    traces = [recorded.tagged(name) for name in (tag, f"{tag}-other")]

    def found(tags: str) -> list[str]:
        places = [trace.info.experiment_id for trace in traces]
        asked = {"filter_string": tags, "return_type": "list", "max_results": 1000}
        return [each.info.trace_id for each in mlflow.search_traces(locations=places[:1], **asked)]

    mine, others = (trace.info.trace_id for trace in traces)
    by_team = found("tags.user_api_key_team_alias = 'Research'")
    assert mine in by_team
    assert others not in by_team
    assert found("tags.user_api_key_team_alias = 'Other'") == []


def test_users_key_is_the_user(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """The key's user is the trace's user if the request names none."""
    ask(gateway, tagged(tag))
    assert recorded.tagged(tag).info.trace_metadata[USER] == "alice"


def test_user_of_the_request_is_the_user(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """The request's user wins; the key's user and the customer are attributes."""
    ask(gateway, tagged(tag, user="customer-7"))
    trace = recorded.tagged(tag)
    assert trace.info.trace_metadata[USER] == "customer-7"
    told = root(trace).attributes
    assert told["user_api_key_end_user_id"] == "customer-7"
    assert told["user_api_key_user_id"] == "alice"


def test_user_by_openais_sdk_is_the_user(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """The SDK's own argument sets the user."""
    ask_by_sdk(gateway, user="customer-8", extra_body=tagged(tag))
    assert recorded.tagged(tag).info.trace_metadata[USER] == "customer-8"


def test_master_keys_user_is_nobody(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """LiteLLM's placeholder name for the master key's user is not recorded as a user."""
    ask(gateway, tagged(tag), key=MASTER_KEY)
    trace = recorded.tagged(tag)
    assert USER not in trace.info.trace_metadata
    assert "default_user_id" not in trace.to_json()
    assert not {name for name in trace.info.tags if name.startswith("user_api_key")}


def test_master_keys_request_may_name_a_user(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """A request with the master key may name a user."""
    ask(gateway, tagged(tag, user="customer-9"), key=MASTER_KEY)
    assert recorded.tagged(tag).info.trace_metadata[USER] == "customer-9"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"litellm_session_id": "session-7"}, {}),
        ({"metadata": {"session_id": "session-7"}}, {}),
        ({}, {"x-litellm-session-id": "session-7"}),
        ({}, {"x-litellm-trace-id": "session-7"}),
    ],
    ids=["body", "metadata", "session header", "trace header"],
)
def test_session_of_the_request_is_the_traces(
    body: dict[str, Any], headers: dict[str, str], gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """Each form of LiteLLM's session ids sets the trace's session."""
    ask(gateway, tagged(tag, **body), headers)
    assert recorded.tagged(tag).info.trace_metadata[SESSION] == "session-7"


def test_request_without_a_session_has_none(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """A request without a session gets no invented one."""
    ask(gateway, tagged(tag))
    assert SESSION not in recorded.tagged(tag).info.trace_metadata


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"model": "claude", "messages": MESSAGES, "max_tokens": 50}),
        ("/v1/responses", {"model": "chat", "input": "hello"}),
        ("/v1/embeddings", {"model": "vectors", "input": ["hello"]}),
        ("/v1/completions", {"model": "text", "prompt": "hello"}),
    ],
    ids=["messages", "responses", "embeddings", "completions"],
)
def test_every_kind_of_request_tells_who_asked(
    path: str,
    body: dict[str, Any],
    gateway: Gateway,
    recorded: Spans,
    tag: str,
    key: dict[str, str],
) -> None:
    """Every kind of request records tags, session, user, key and team."""
    headers = {**key, "x-litellm-tags": f"{tag},job:7", "x-litellm-session-id": f"s-{tag}"}
    answer = httpx.post(f"{gateway.url}{path}", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    trace: Trace = recorded.tagged(tag)
    told = trace.info.trace_metadata
    assert (told[USER], told[SESSION]) == ("alice", f"s-{tag}")
    assert {**TEAM, "job": "7", "of-the-key": ""}.items() <= trace.info.tags.items()


def test_request_that_fails_tells_who_asked(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """A request that fails at the provider records its user and team as well."""
    body = {"model": "chat", "messages": [{"role": "user", "content": "/error 400 out of luck"}]}
    headers = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
    url = f"{gateway.url}/chat/completions"
    assert httpx.post(url, json={**body, **tagged(tag)}, headers=headers).status_code == 400
    trace = recorded.tagged(tag)
    assert trace.info.state == "ERROR"
    assert TEAM.items() <= trace.info.tags.items()
    assert trace.info.trace_metadata[USER] == "alice"
