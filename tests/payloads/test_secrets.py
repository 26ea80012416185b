"""No secret is recorded in a trace, in any place and for any outcome of the call."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
from typing import TYPE_CHECKING, Any, get_type_hints
from urllib.parse import quote

import httpx
import litellm
import mlflow
import pydantic
import pytest
from callers import MODEL, AsyncCaller, SyncCaller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litellm.types.router import CredentialLiteLLMParams
from litellm.types.utils import CredentialItem, StandardCallbackDynamicParams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callers import Caller
    from provider import LoopbackProvider
    from traces import Traces

# Part of each secret, so that a rest of the secret is found in any escaped form.
MARK = "x7Kq2mZv9w"

# Arguments for the endpoint or region: not secret, but with the same types in LiteLLM.
OPEN = re.compile(r"(?:api_base|api_version|region|region_name|location|project|project_id)$")
FROM_LITELLM = {
    *CredentialLiteLLMParams.model_fields,
    *(
        name
        for name, kind in get_type_hints(StandardCallbackDynamicParams).items()
        if "str" in str(kind)
    ),
}
BY_HAND = {
    "vertex_ai_credentials", "gcs_path_service_account", "watsonx_credentials", "token", "apikey",
    "watsonx_token", "watsonx_apikey", "watsonx_zen_api_key", "zen_api_key", "oci_key",
    "oci_key_file", "gigachat_access_token", "valkey_password", "gemini_api_key",
    "litellm_credential_name", "azure_ad_token_provider", "s3_path_secret", "organization",
    "some_new_token", "some_new_thing", "user_api_key", "master_key", "secret_fields",
}  # fmt: skip
ARGUMENTS = sorted(name for name in FROM_LITELLM | BY_HAND if not OPEN.search(name))


def signed(sign: str) -> Callable[[str], dict[str, Any]]:
    """Return a place of secrets: the signature of a picture's URL."""

    def place(secret: str) -> dict[str, Any]:
        url = f"https://host.test/a.png?x=1&{sign}={quote(secret, safe='')}"
        content = [
            {"type": "text", "text": "hello"},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        return {"messages": [{"role": "user", "content": content}]}

    return place


def noted(entry: Callable[[str], Any]) -> Iterator[tuple[str, Callable[[str], dict[str, Any]]]]:
    """Return places of secrets: a metadata entry, by both argument names of LiteLLM."""
    for name in ("metadata", "litellm_metadata"):
        yield name, lambda secret, name=name: {name: entry(secret)}


NOTES: dict[str, Callable[[str], Any]] = {
    "password": lambda s: {"password": s},
    "header": lambda s: {"Authorization": f"Bearer {s}"},
    "headers": lambda s: {"headers": {"x-anything": s}},
    "httpx": lambda s: {"request": httpx.Headers({"x-api-key": s})},
    "pairs": lambda s: {"request": [("Authorization", s), {"name": "Cookie", "value": s}]},
    "nested": lambda s: {"a": [{"b": {"accessToken": s}}]},
    "request": lambda s: {"proxy_server_request": {"headers": {"a": s}, "body": {"api_key": s}}},
    "previous": lambda s: {"previous_models": [{"model": "a", "kwargs": {"api_key": s}}]},
    "proxy": lambda s: {"user_api_key": s, "user_api_key_auth": {"token": s}},
    "hidden": lambda s: {"hidden_params": {"additional_headers": {"set-cookie": s}}},
    "trace": lambda s: {"trace_metadata": {"authtoken": s}},
    "tag": lambda s: {"tags": [f"api_key:{s}"]},
    "url": lambda s: {"link": f"https://host.test/?token={quote(s, safe='')}"},
    "userinfo": lambda s: {"link": f"https://me:{quote(s, safe='')}@host.test/a"},
    "endpoint": lambda s: {"callback_url": f"https://host.test/?a={quote(s, safe='')}"},
    "fragment": lambda s: {"link": f"https://host.test/#access_token={quote(s, safe='')}"},
    "object": lambda s: {"client": pydantic.SecretStr(s), "raw": s.encode()},
}


def deployment(secret: str) -> dict[str, Any]:
    """Return a deployment in the form of LiteLLM's Router."""
    return {"model_name": "a", "litellm_params": {"model": MODEL, "api_key": secret}}


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    **{name: lambda s, name=name: {name: s} for name in ARGUMENTS},
    "extra_headers": lambda s: {"extra_headers": {"Authorization": f"Bearer {s}"}},
    "extra_headers-odd": lambda s: {"extra_headers": {"x-anything": s}},
    "headers": lambda s: {"headers": {"x-api-key": s, "cookie": f"a=1; session={s}"}},
    "default_headers": lambda s: {"default_headers": {"api-key": s}},
    "provider_specific_header": lambda s: {
        "provider_specific_header": {
            "custom_llm_provider": "openai",
            "extra_headers": {"x-custom": s},
        }
    },
    "extra_body": lambda s: {"extra_body": {"nested": {"api_key": s}, "list": [s]}},
    "extra_query": lambda s: {"extra_query": {"key": s}},
    "bytes": lambda s: {"some_new_token": s.encode()},
    "object": lambda s: {"some_new_object": pydantic.SecretStr(s)},
    "credentials": lambda s: {
        "vertex_credentials": {"type": "service_account", "private_key": f"-----\n{s}\n-----"}
    },
    "credentials-text": lambda s: {"vertex_credentials": json.dumps({"private_key": s})},
    "fallbacks": lambda s: {"fallbacks": [{"model": MODEL, "api_key": s}]},
    "fallbacks-nameless": lambda s: {"fallbacks": [{"api_key": s}, {"headers": {"a": s}}]},
    "fallbacks-odd": lambda s: {"fallbacks": [{"some_new_thing": s}]},
    "context_window_fallback_dict": lambda s: {
        "context_window_fallback_dict": {MODEL: {"model": MODEL, "api_key": s}}
    },
    "context_window_fallbacks": lambda s: {
        "context_window_fallbacks": [{"a": [{"model": MODEL, "api_key": s}]}]
    },
    "content_policy_fallbacks": lambda s: {
        "content_policy_fallbacks": [{"a": [{"litellm_params": {"api_key": s}}]}]
    },
    "model_list": lambda s: {"model_list": [deployment(s)]},
    "model_list-nameless": lambda s: {"model_list": [{"litellm_params": {"api_key": s}}]},
    "mcp-headers": lambda s: {
        "tools": [{"type": "mcp", "server_url": "https://host.test", "headers": {"x-any": s}}]
    },
    "mcp-authorization": lambda s: {
        "tools": [{"type": "mcp", "server_url": "https://host.test", "authorization": s}]
    },
    "mcp-query": lambda s: {
        "tools": [{"type": "mcp", "server_url": f"https://host.test/?a={quote(s, safe='')}"}]
    },
    "mcp-userinfo": lambda s: {
        "tools": [{"type": "mcp", "server_url": f"https://me:{quote(s, safe='')}@host.test/"}]
    },
    "prompt_variables": lambda s: {"prompt_variables": {"api_key": s}},
    "guardrails": lambda s: {"guardrails": [{"a": {"extra_body": {"token": s}}}]},
    "aws": signed("X-Amz-Signature"),
    "aws-credential": signed("X-Amz-Credential"),
    "aws-token": signed("X-Amz-Security-Token"),
    "gcs": signed("X-Goog-Signature"),
    "azure": signed("sv=2024&sig"),
    "tags": lambda s: {"tags": [f"password:{s}", f"https://me:{quote(s, safe='')}@host.test"]},
    **{f"{name}-{note}": place for note, entry in NOTES.items() for name, place in noted(entry)},
}
# Addresses of the provider that contain the secret.
ADDRESSES = {
    "query": "{base}?key={secret}",
    "odd-query": "{base}?a={secret}",
    "password": "http://me:{secret}@{rest}",
    "user": "http://{secret}@{rest}",
}


def addressed(provider: LoopbackProvider) -> dict[str, Callable[[str], dict[str, Any]]]:
    """Return the places of secrets in the provider's address."""

    def place(name: str, form: str) -> Callable[[str], dict[str, Any]]:
        base = provider.openai_base
        known = {"base": base, "rest": base.removeprefix("http://")}
        return lambda secret: {
            "api_base": None,
            name: form.format(secret=quote(secret, safe=""), **known),
        }

    return {
        f"{name}-{part}": place(name, form)
        for name in ("api_base", "base_url")
        for part, form in ADDRESSES.items()
    }


FATES: dict[str, Callable[[Caller, dict[str, Any]], Any]] = {
    "answered": lambda caller, given: caller.complete("hello", **given),
    "streamed": lambda caller, given: caller.stream("hello", **given),
    "refused": lambda caller, given: caller.complete("/error 401 You sent $REQUEST", **given),
    "broken": lambda caller, given: caller.stream("/event-error 1 You sent $REQUEST", **given),
    "unreachable": lambda caller, given: caller.complete(
        "hello", **{"api_base": "http://127.0.0.1:1/v1", **given}
    ),
    "mistaken": lambda caller, given: caller.complete(
        "hello", **{"timeout": "never", "tools": "none", **given}
    ),
}


def forms(text: str) -> set[str]:
    """Return a text and its three base64 forms, one for each offset in the encoded data."""
    encoded = {
        base64.b64encode(b"." * before + text.encode())[4:-4].decode() for before in range(3)
    }
    return {text.lower(), *(form.lower() for form in encoded)}


def found_in_trace_of(call: Callable[[], Any]) -> str:
    """Make a call with any outcome, and return the parts of the secret that its trace contains."""
    # Hypothesis sets the same seed for each example, and trace ids come from this generator.
    random.seed()
    before = mlflow.get_last_active_trace_id()
    with contextlib.suppress(Exception):
        call()
    trace_id = mlflow.get_last_active_trace_id()
    assert trace_id != before
    trace = mlflow.get_trace(trace_id).to_json()
    at = min((at for form in forms(MARK) if (at := trace.lower().find(form)) >= 0), default=None)
    return "" if at is None else trace[max(0, at - 80) : at + 40]


def test_no_place_leaks(tracing: Traces, provider: LoopbackProvider) -> None:
    """No place leaks a key of all characters that JSON, URLs, HTML and repr() escape."""
    secret, caller = f"{MARK}/ab+c=.d%&'\"e\\-_~:f@", SyncCaller(provider)
    places = {**PLACES, **addressed(provider)}
    leaks = {
        name: leak
        for name, place in places.items()
        if (leak := found_in_trace_of(lambda place=place: FATES["refused"](caller, place(secret))))
    }
    assert not leaks


KEY = st.text("abcXYZ0189/+=.%&'\"-_~:@!$\\?#,;<>", max_size=20)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.tuples(KEY, KEY),
    st.sampled_from(
        sorted({*PLACES, *(f"{n}-{p}" for n in ("api_base", "base_url") for p in ADDRESSES)})
    ),
    st.sampled_from(sorted(FATES)),
    st.sampled_from([SyncCaller, AsyncCaller]),
)
def test_secret_reaches_no_trace(
    tracing: Traces,
    provider: LoopbackProvider,
    around: tuple[str, str],
    place: str,
    fate: str,
    kind: type[Caller],
) -> None:
    """No key is recorded, in any place and for any outcome."""
    secret = MARK.join(around)
    given_arguments = {**PLACES, **addressed(provider)}[place](secret)
    assert not found_in_trace_of(lambda: FATES[fate](kind(provider), given_arguments))


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "SOME_NEW_TOKEN"])
def test_key_of_the_environment_is_not_quoted(
    name: str, tracing: Traces, provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key from the environment, which LiteLLM reads, is not recorded."""
    monkeypatch.setenv(name, f"{MARK}/a+b")
    header = {"x-anything": f"{MARK}/a+b", "user-agent": "me"}
    caller = SyncCaller(provider)
    assert not found_in_trace_of(
        lambda: FATES["refused"](caller, {"api_key": None, "extra_headers": header})
    )


@pytest.mark.parametrize("name", ["api_key", "openai_key", "headers", "credential_list"])
def test_key_set_for_all_calls_is_not_quoted(
    name: str, tracing: Traces, provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key from LiteLLM's global settings is not recorded."""
    credential = CredentialItem(
        credential_name="mine", credential_values={"api_key": MARK}, credential_info={}
    )
    values = {"headers": {"x-anything": MARK}, "credential_list": [credential]}
    monkeypatch.setattr(litellm, name, values.get(name, MARK))
    given_arguments = {"api_key": None, "litellm_credential_name": "mine"}
    caller = SyncCaller(provider)
    assert not found_in_trace_of(lambda: FATES["refused"](caller, given_arguments))


@pytest.mark.parametrize("fate", ["answered", "streamed"])
def test_key_that_gemini_is_sent_in_a_url_is_not_quoted(
    fate: str, tracing: Traces, provider: LoopbackProvider
) -> None:
    """A Gemini key in a URL, which httpx quotes in its exceptions, is not recorded."""
    for base in (provider.openai_base, "http://127.0.0.1:1"):
        given_arguments = {"model": "gemini/gemini-2.0-flash", "api_key": MARK, "api_base": base}
        assert not found_in_trace_of(lambda: FATES[fate](SyncCaller(provider), given_arguments))  # noqa: B023
