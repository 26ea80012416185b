"""Secrets are distinguished from other texts by name and by value. No MLflow, no network."""

from __future__ import annotations

import html
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest

from mlflow_litellm._payloads.kinds.table import CHAT
from mlflow_litellm._payloads.secret_values import secrets
from mlflow_litellm._payloads.secrets import (
    REDACTED,
    is_secret_name,
    redact_named_secrets,
    redacted,
    strip_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable


NAMES = [
    "api_key", "apiKey", "API_KEY", "apikey", "OPENAI_API_KEY", "x-api-key", "Authorization",
    "x-amz-signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId", "sig",
    "accessToken", "accesstoken", "authtoken", "client_secret", "password", "db_passwd",
    "set-cookie", "extra_headers", "headers", "private_key", "token", "secret_fields",
    "vertex_credentials", "aws_session_token", "refresh_token_limit_secret", "user_api_key",
    "user_api_key_hash",
]  # fmt: skip


OTHER_NAMES = [
    "max_tokens", "prompt_tokens", "completion_tokens_details", "keyword", "keywords", "monkey",
    "user_api_key_alias", "user_api_key_team_id", "user_api_key_request_route",
    "author", "authors", "tokenizer", "tokenize", "keyboard", "signal", "design", "assignee",
    "secretary", "donkey", "turkey", "model", "user", "session_id", "input_cost_per_token",
    "token_count", "token_limit", "", "1", "url",
]  # fmt: skip


def test_names_of_secrets_are_told_from_others() -> None:
    """Names of secrets are recognized in any spelling, and similar names are not."""
    assert [name for name in NAMES if not is_secret_name(name)] == []
    assert [name for name in OTHER_NAMES if is_secret_name(name)] == []


@pytest.mark.parametrize(
    ("given_data", "expected"),
    [
        ({"password": "p", "a": [{"apiKey": {"b": 1}}]}, {"password": "*", "a": [{"apiKey": "*"}]}),
        ({"token": None, "password": ""}, {"token": None, "password": ""}),
        ({"has_key": True, "key": 0.5}, {"has_key": True, "key": 0.5}),
        ([["Cookie", "a"], ["Accept", "b"]], [["Cookie", "*"], ["Accept", "b"]]),
        ({"name": "x-api-key", "value": "a"}, {"name": "x-api-key", "value": "*"}),
        ({"key": 1, "value": "a"}, {"key": "*", "value": "a"}),
        (
            ["api_key:a", "Authorization: Bearer a", "env:b"],
            ["api_key:*", "Authorization: *", "env:b"],
        ),
        ({"server_url": "https://a:b@c/d?e=f#g"}, {"server_url": "https://c/d"}),
        ({"note": "see https://a:b@c/d?token=f&g=h"}, {"note": "see https://c/d?token=*&g=h"}),
        ("a: b", "a: b"),
        (5, 5),
    ],
)
def test_cleaned_data(given_data: Any, expected: Any) -> None:
    """Values are redacted by their names, in each form of names and values."""
    assert json.dumps(redact_named_secrets(given_data)).replace(REDACTED, "*") == json.dumps(
        expected
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:pa'ss@host/a", "https://host/a"),
        ("HTTPS://me@host", "https://host"),
        ("https://host/a?x=1&sig=a%2Bb", "https://host/a?x=1&sig=*"),
        ("https://host/#access_token=a", "https://host/#access_token=*"),
        (
            "https://host/?Expires=1&Signature=a&Key-Pair-Id=b",
            "https://host/?Expires=1&Signature=*&Key-Pair-Id=*",
        ),
        ("https://host/run/@cf/meta", "https://host/run/@cf/meta"),
        ("https://host/a?b=c%2fd&e", "https://host/a?b=c%2fd&e"),
        ("https://[", "*"),
        ("redis://:hunter2@localhost:6379/0", "redis://localhost:6379/0"),
        ("1https://a:b@host/", "1https://host/"),
        ("postgres://me:secret@host/db", "postgres://host/db"),
    ],
)
def test_cleaned_url(url: str, expected: str) -> None:
    """The credentials in a URL are redacted, and the rest is unchanged."""
    assert strip_credentials(url).replace(REDACTED, "*") == expected


QUOTING = [
    "Incorrect API key provided: sk-abcd1234****wxyz. You can find your API key at",
    "Incorrect API key provided: sk-proj-Ab1_cdefghijklmnop.",
    "Request had invalid header: Authorization: Bearer ya29.a0AfH6SMBabc1",
    "{'Authorization': 'Basic dXNlcjpwYXNz'}",
    "POST https://h/v1beta/models/g:generateContent?key=AIzaSyA-1234567890abcdef failed",
    "'/v1beta/models/g:generateContent?key=abc123def456'",
    "The security token included in the request is invalid: AKIAIOSFODNN7EXAMPLE",
    'body {"api_key": "abc123def456"}',
    r"body {\"access_token\": \"abc123def456\"}",
    "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    "token gsk_abcdefgh1234",
]


def test_what_looks_like_a_key_is_redacted() -> None:
    """A text that looks like a key, as providers quote it, is redacted if the key is unknown."""
    told = [redacted(text, []) for text in QUOTING]
    assert [text for text in told if REDACTED not in text] == []
    assert [text for text in told if re.search(r"wxyz|Ab1|a0Af|dXNl|AIza|123|AKIA|eyJ", text)] == []


ORDINARY = [
    "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens",
    "The model `gpt-4o-mini-2024-07-18` does not exist or you do not have access to it.",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "pip install sk-learn scikit-learn skeleton_frameworks pkg_resources_extern",
    'File "/usr/lib/python3.11/site-packages/litellm/main.py", line 1234, in completion',
    "request 123e4567-e89b-12d3-a456-426614174000 failed",
    "Basic information and bearer instruments; basic authentication is required",
    "token limit exceeded: max_tokens: 128000, token: invalid, secret = unknown",
    "see https://platform.openai.com/account/api-keys?lang=en#top",
    "api_key client option must be set either by passing api_key to the client",
]


def test_ordinary_text_is_not_redacted() -> None:
    """Ordinary text is not redacted, so that exceptions are readable."""
    given_arguments = {
        "api_key": "dummy", "extra_headers": {"accept": "application/json", "x": "default"},
        "timeout": "slow", "extra_body": {"mode": "access"}, "base_model": "gpt-4o-mini",
        "tools": [{"function": {"parameters": {"properties": {"api_key": {"type": "model"}}}}}],
    }  # fmt: skip
    known = secrets(given_arguments, CHAT.recorded)
    assert [redacted(text, known) for text in ORDINARY] == ORDINARY


def test_words_and_paths_of_the_environment_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words and paths in variables are no secrets, also if a variable has the name of a secret."""
    given_variables = {"FOO_KEY": "default", "KEY_FILE": os.__file__, "AUTH_URL": "https://a1/b"}
    for name, value in given_variables.items():
        monkeypatch.setenv(name, value)
    assert not set(given_variables.values()) & set(secrets({}, CHAT.recorded))


ESCAPES: list[Callable[[str], str]] = [
    str, repr, json.dumps, quote, quote_plus, html.escape, lambda text: json.dumps(repr(text)),
]  # fmt: skip


@pytest.mark.parametrize(
    "secret", ["p4ss", "hunter", "open sesame", "-\n-MII/abc1d\n-", "ключ-k1", "a\\b'c1"]
)
def test_known_secret_is_redacted_however_it_is_escaped(secret: str) -> None:
    """A known secret is redacted in any escaped form. A short one or a word is only if whole."""
    known = secrets({"password": secret}, CHAT.recorded)
    told = {redacted(f"<{quoted(secret)}>", known) for quoted in ESCAPES}
    assert {text.strip("<>'\"\\") for text in told} == {REDACTED}
    assert redacted("hunters p4sss", ["hunter", "p4ss"]) == "hunters p4sss"


PIECES = [
    "a", "aB1", "sk-", "://", "a://", "https://a?key=", "bearer ", "token=", "api_key: ", "\\",
    "%25", "?a", "&", "x7Kq2mZv9w", "eyJ", " ", '"', "@", "-_.", "[", "a=1;",
]  # fmt: skip


def test_time_grows_with_the_text_alone() -> None:
    """Time is linear in the text's length, as errors may be as long as the texts they quote."""

    def seconds(piece: str, size: int) -> float:
        text = piece * (size // len(piece))
        start = time.perf_counter()
        redacted(text, ["x7Kq2mZv9w\\\\a", "a%+&'b1cdefgh"])
        redact_named_secrets(text)
        return time.perf_counter() - start

    # Three times the linear time. Quadratic time would be 64 times as long.
    slow = [p for p in PIECES if seconds(p, 1 << 20) > 24 * seconds(p, 1 << 17) + 0.1]
    assert slow == []


def test_document_among_the_arguments_holds_nobody_up() -> None:
    """A long document in the arguments is not a secret, and is not searched for."""
    document = "\u4e00\u4e8c\u4e09 and so on, then more " * 20_000
    arguments = {"extra_body": {"documents": [document]}, "prompt": "Connection refused by host"}
    found = secrets(arguments, CHAT.recorded)
    assert not [text for text in found if len(text) > 512 or text in arguments.values()]
    assert redacted("Connection refused by host", found) == "Connection refused by host"


def test_plain_value_of_a_header_is_a_secret() -> None:
    """The plain value of a header is a secret, as a password may be a word."""
    found = secrets({"extra_headers": {"X-Db-Pass": "swordfish"}}, CHAT.recorded)
    assert redacted("refused swordfish", found) == "refused [REDACTED]"


@pytest.mark.parametrize(
    "text",
    [
        "quoted {'cookie': 'session=plain words', 'content-length': '13'}",
        '{"Set-Cookie": "session=plain words; Path=/"}',
        "Cookie: session=plain words; other=1\nnext",
    ],
)
def test_cookies_are_redacted_by_their_label(text: str) -> None:
    """Cookies are redacted by label, as LiteLLM's clients send cookies that no call was given."""
    assert "plain words" not in redacted(text, [])


def test_text_about_cookies_stays() -> None:
    """A text about cookies without a label is unchanged."""
    assert redacted("a cookie recipe with flour", []) == "a cookie recipe with flour"


def in_urls(secret: str, depth: int, quoted: Callable[[str], str]) -> str:
    """Return nested URLs, each in the query of another, with a secret in the innermost."""
    url = f"https://host/?anything={quoted(secret)}"
    for _ in range(depth):
        url = f"https://host/?next={quoted(url)}"
    return url


@pytest.mark.parametrize(
    ("depth", "quoted"),
    [*((depth, quote_plus) for depth in range(9)), *((depth, str) for depth in (1, 4, 30, 3_000))],
)
def test_secret_in_urls_in_urls_is_found(depth: int, quoted: Callable[[str], str]) -> None:
    """A secret in nested URLs is redacted at any depth, as are the secrets beside it."""
    url = in_urls("x7Kq2mZv9w", depth, quoted)
    found = secrets({"api_base": [url, "https://h/?a=y8Lr3nAw0x"]}, CHAT.recorded)
    for secret in ("x7Kq2mZv9w", "y8Lr3nAw0x"):
        assert redacted(f"refused {secret}", found) == f"refused {REDACTED}"


@pytest.mark.parametrize(
    "url",
    [
        "https://me:x7Kq2mZv9w@[host/",
        "https://[?key=x7Kq2mZv9w",
        f"https://{'é' * 600}:x7Kq2mZv9w@h",
    ],
)
def test_secret_in_what_is_no_url_is_found(url: str) -> None:
    """A secret in an invalid URL is redacted, as an exception's text may quote a part of it."""
    assert (
        redacted("refused x7Kq2mZv9w", secrets({"api_base": url}, CHAT.recorded))
        == f"refused {REDACTED}"
    )


def test_secrets_that_cannot_be_read_are_not_passed_over() -> None:
    """Near the recursion limit, reading the secrets fails instead of missing one."""

    def at_depth(depth: int) -> list[str]:
        return at_depth(depth - 1) if depth else secrets(arguments, CHAT.recorded)

    arguments = {"extra_body": {"a": {"b": {"c": ["x7Kq2mZv9w"]}}}}
    found = []
    with pytest.raises(RecursionError):
        found.extend("x7Kq2mZv9w" in at_depth(depth) for depth in range(sys.getrecursionlimit()))
    assert len(found) > 100
    assert all(found)


def test_text_with_more_secrets_than_there_is_time_for_is_left_out() -> None:
    """A text with more known secrets than the time limit allows is redacted as a whole."""
    known = [f"x7Kq/{number:06}" for number in range(20_000)]
    assert redacted(" ".join(known), known) == REDACTED
    assert redacted("refused x7Kq/000007", known) == f"refused {REDACTED}"


@pytest.mark.parametrize("secret", ["key-🙂-a1", "🙂🙂🙂🙂🙂", "ключ", "一二三四五六七八"])
def test_secret_of_another_alphabet_is_found_however_it_is_escaped(secret: str) -> None:
    """A secret in another alphabet is redacted, also if JSON has two codes for a character."""
    told = {redacted(f"<{quoted(secret)}>", [secret]) for quoted in ESCAPES}
    assert {text.strip("<>'\"\\") for text in told} == {REDACTED}


@pytest.mark.parametrize("levels", [20, 5_000])
def test_secret_in_an_object_that_nests_too_deep_is_found(levels: int) -> None:
    """A key in the text of a deeply nested object is redacted, also if Python can read the JSON."""
    text = '{"a":' * levels + '"x7Kq2mZv9w"' + "}" * levels
    found = secrets({"vertex_credentials": text}, CHAT.recorded)
    assert redacted("refused x7Kq2mZv9w", found) == f"refused {REDACTED}"
