"""The endpoint of a call is recorded without its credentials. No MLflow, no network."""

from __future__ import annotations

from typing import Any

import litellm
import pytest

from mlflow_litellm._payloads import endpoint, secrets


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
    """The endpoint is recorded without the keys that some URLs contain."""
    assert secrets.endpoint(url) == expected


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
    """The provider is found if LiteLLM's response lacks it or a cached stream has another word."""
    assert endpoint.provider({"custom_llm_provider": "cached_response"}, arguments) == expected


def test_configured_endpoint_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint from an environment variable is found, although LiteLLM reports the vendor's."""
    hidden_params = {"api_base": "https://api.openai.com"}
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert endpoint.api_base(hidden_params, {}, "openai") == "http://127.0.0.1:1/v1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert endpoint.api_base(hidden_params, {}, "openai") == "https://api.openai.com/v1"
    assert (
        endpoint.api_base(hidden_params, {"api_base": "http://given/"}, "openai") == "http://given/"
    )
    assert endpoint.api_base(hidden_params, {}, "no such provider") == "https://api.openai.com"


def test_secret_manager_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM's secret manager is not queried, as the caller would wait for the network."""
    monkeypatch.setattr(litellm, "secret_manager_client", object())
    assert endpoint.api_base({}, {}, "openai") is None


@pytest.mark.parametrize("provider", ["github_copilot", "chatgpt"])
def test_provider_that_would_sign_in_is_not_asked(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Providers whose lookup by LiteLLM may wait for the user to sign in are not looked up."""
    lookups: list[str] = []

    def look_up(model: str) -> tuple[str, str, None, None]:
        lookups.append(model)
        return model, model.partition("/")[0], None, None

    monkeypatch.setattr(litellm, "get_llm_provider", look_up)
    endpoint._configured_base.cache_clear()
    assert endpoint.api_base({"api_base": "https://host/v1"}, {}, provider) == "https://host/v1"
    assert lookups == []
    endpoint.api_base({}, {}, "groq")
    assert lookups == ["groq/model"]
    endpoint._configured_base.cache_clear()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"model": "github_copilot/gpt-4"}, "github_copilot"),
        ({"model": "gpt-4o", "custom_llm_provider": "azure"}, "azure"),
        ({"model": "no-such/model"}, None),
        ({"model": "gpt-4o"}, None),
        ({}, None),
    ],
)
def test_provider_is_read_off_the_name(arguments: dict[str, Any], expected: str | None) -> None:
    """The provider of a failed call is read from the model's name, as a lookup may block."""
    assert endpoint.named_provider(arguments) == expected
