"""
Keeps secrets out of what is recorded: by the names they go by, and by their value in texts.

Arguments are recorded by an allowlist; this is for the rest: metadata, definitions of tools,
URLs, and the texts of exceptions, which quote what the call was given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from mlflow_litellm.payloads._endpoint import endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

REDACTED = "[REDACTED]"

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SECRET_WORDS = frozenset({
    "apikey", "auth", "authorization", "bearer", "cookie", "cookies", "credential", "credentials",
    "header", "headers", "jwt", "key", "keys", "passphrase", "passwd", "password", "pwd", "secret",
    "secrets", "sig", "signature", "token",
})  # fmt: skip
_ADDRESS = re.compile(r"(?:url|uri|endpoint|base)$", re.IGNORECASE)

# Arguments whose text opens nothing, so that exceptions may quote it.
_HARMLESS = frozenset({
    "api_base", "api_version", "base_model", "base_url", "custom_llm_provider", "deployment_id",
    "litellm_call_id", "litellm_session_id", "litellm_trace_id", "mock_response", "model",
    "region_name",
})  # fmt: skip
_REGION = re.compile(r"(?:region|location|project)(?:_name|_id)?$")
_SHORTEST = 6

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>\\)\]}]+", re.IGNORECASE)
# What keys look like in the texts of providers' errors, which quote them.
_PATTERNS = (
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[\w.~+/=*-]{6,}"),
    re.compile(r"(?i)(\b(?:api[-_ ]?key|token|secret|password)\b\W{1,3})[\w.~+/=*-]{6,}"),
    re.compile(r"()\b(?:sk|pk|rk|gsk|xai|hf|ghp|AIza|AKIA|ASIA)[-_]?[\w*-]{12,}"),
)


def is_secret_name(name: str) -> bool:
    """Tell whether what goes by a name opens something: ``apiKey``, ``x-amz-signature``."""
    return any(word.lower() in _SECRET_WORDS for word in _WORD.findall(name))


def cleaned(value: Any) -> Any:
    """Return plain data with what goes by a secret's name, and what URLs carry, replaced."""
    if isinstance(value, dict):
        return {key: _cleaned_entry(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    return cleaned_url(value) if isinstance(value, str) and "://" in value else value


def _cleaned_entry(key: str, value: Any) -> Any:
    if is_secret_name(key):
        return REDACTED if value else value
    if isinstance(value, str) and "://" in value and _ADDRESS.search(key):
        return endpoint(value)
    return cleaned(value)


def cleaned_url(text: str) -> str:
    """Return a text with the credentials and signatures of the URLs in it replaced."""
    return _URL.sub(lambda found: _without_credentials(found[0]), text)


def _without_credentials(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        query = _cleaned_query(parts)
    except ValueError:
        return REDACTED
    return (
        url
        if (host, query) == (parts.netloc, parts.query)
        else urlunsplit((parts.scheme, host, parts.path, query, parts.fragment))
    )


def _cleaned_query(parts: SplitResult) -> str:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if not any(is_secret_name(name) for name, _ in pairs):
        return parts.query
    return urlencode(
        [(name, REDACTED if is_secret_name(name) else value) for name, value in pairs], safe="[]"
    )


def secrets(arguments: Mapping[str, Any], shown: frozenset[str]) -> list[str]:
    """
    Return the texts among a call's arguments that no trace may show, longest first.

    Args:
        arguments: The call's arguments by name.
        shown: The names of arguments that are recorded; of these, only what goes by a secret's
            name inside of them is one.
    """
    found = set(_environment())
    for name, value in arguments.items():
        is_hidden = name not in shown and name not in _HARMLESS and not _REGION.search(name)
        found.update(_texts(value, is_secret=is_hidden and "metadata" not in name))
    return sorted((text for text in found if len(text) >= _SHORTEST), key=len, reverse=True)


def redacted(text: str, hidden: list[str]) -> str:
    """Return an exception's text without secrets, known or looking like some."""
    for secret in hidden:
        text = text.replace(secret, REDACTED)
    text = cleaned_url(text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{REDACTED}", text)
    return text


def _environment() -> Iterator[str]:
    """Return the keys that LiteLLM finds in the environment, such as ``OPENAI_API_KEY``."""
    return (value for name, value in os.environ.items() if is_secret_name(name))


def _texts(value: Any, *, is_secret: bool, depth: int = 6) -> Iterator[str]:
    if isinstance(value, str):
        if is_secret:
            yield value
    elif depth and isinstance(value, Mapping):
        for key, item in value.items():
            named = isinstance(key, str) and is_secret_name(key)
            yield from _texts(item, is_secret=is_secret or named, depth=depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item, is_secret=is_secret, depth=depth - 1)
