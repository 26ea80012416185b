"""The request and response of a chat completion become JSON types. No MLflow, no network."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_litellm._payloads.kinds.table import CHAT
from mlflow_litellm._payloads.secrets import REDACTED


def test_request_keeps_what_shapes_the_answer_only() -> None:
    """Only allowed parameters are recorded, as a list of secret names is never complete."""
    request = CHAT.request(
        {
            "model": "gpt-4o",
            "messages": [],
            "temperature": 0.1,
            "api_key": "secret",
            "extra_headers": {"Authorization": "secret"},
            "aws_secret_access_key": "secret",
            "some_new_token": "secret",
            "metadata": {"password": "secret"},
            "api_base": "https://me:secret@host/v1?key=secret#secret",
        }
    )
    assert "secret" not in repr(request)
    assert request.inputs == {"model": "gpt-4o", "messages": [], "temperature": 0.1}
    assert (request.model, request.api_base) == ("gpt-4o", "https://host/v1")
    assert request.metadata == {"password": REDACTED}
    assert request.attributes == {}


@pytest.mark.parametrize(
    ("kind", "url", "openers"),
    [
        ("mcp", "server_url", {"headers": {"Authorization": "secret"}, "authorization": "secret"}),
        ("url", "url", {"authorization_token": "secret"}),
    ],
)
def test_what_opens_an_mcp_server_is_left_out(kind: str, url: str, openers: Any) -> None:
    """Credentials of MCP servers are left out of OpenAI's and Anthropic's tool definitions."""
    tool = {"type": kind, "name": "docs", url: "https://host/mcp?token=secret", **openers}
    request = CHAT.request({"tools": [tool]})
    assert request.inputs["tools"] == [
        {"type": kind, "name": "docs", url: "https://host/mcp", **dict.fromkeys(openers, REDACTED)}
    ]
    assert request.tools == request.inputs["tools"]


def test_schema_of_a_tool_is_recorded_as_it_is() -> None:
    """A tool's schema is recorded unchanged, although a parameter may have a secret's name."""
    parameters = {"type": "object", "properties": {"api_key": {"type": "string"}}}
    tools = [
        {"type": "function", "function": {"name": "f", "parameters": parameters}},
        {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
        {"name": "h", "input_schema": parameters},
    ]
    assert CHAT.request({"tools": tools}).tools == tools


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["a", {"model": "b", "api_key": "secret"}], ["a", "b"]),
        ([{"a": ["b", {"model": "c", "api_key": "secret"}]}], [{"a": ["b", "c"]}]),
        ({"a": "b"}, {"a": "b"}),
        ([{"litellm_params": {"model": "a", "api_key": "secret"}}], ["a"]),
        ([{"model_name": "a", "litellm_params": {"api_key": "secret"}}], ["a"]),
        ("a", "a"),
    ],
)
@pytest.mark.parametrize("key", ["fallbacks", "context_window_fallbacks", "model_list"])
def test_models_given_as_deployments_are_recorded_by_name(key: str, given: Any, names: Any) -> None:
    """A model that is given as a deployment, which holds keys, is recorded by its name."""
    assert CHAT.request({key: given}).inputs == {key: names}


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
    """Media is detected, as only then MLflow searches for attachments, which takes time."""
    assert CHAT.request({"messages": [{"content": content}]}).has_media is has_media


@pytest.mark.parametrize("name", ["images", "audio"])
def test_media_of_an_earlier_answer_is_noticed(name: str) -> None:
    """Media of an earlier response, which users send back, is detected."""
    assert CHAT.request({"messages": [{"role": "assistant", name: [{}]}]}).has_media


@pytest.mark.parametrize("messages", [None, "text", 5, [None], ["text"], [{}]])
def test_strange_messages_are_no_fault(messages: Any) -> None:
    """Strange messages raise no error here, regardless of their effect in LiteLLM."""
    assert CHAT.request({"messages": messages, "tools": "none"}).has_media is False
