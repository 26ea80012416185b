"""
Redacts secrets in recorded data, by their names.

Arguments are recorded by an allowlist. This module is for data in which users choose the names:
metadata, definitions of tools, URLs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlunsplit

from mlflow_litellm._common.interruptions import let_through
from mlflow_litellm._payloads.urls import endpoint, split_url

REDACTED = "[REDACTED]"

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SECRET_WORDS = frozenset({
    "apikey", "apikeys", "auth", "authentication", "authkey", "authorization", "bearer", "cookie",
    "cookies", "creds", "credential", "credentials", "header", "headers", "hmac", "jwt", "key",
    "keys", "oauth", "otp", "passcode", "passphrase", "passwd", "password", "passwords", "pin",
    "pwd", "sas", "secret", "secrets", "sig", "signature", "token",
})  # fmt: skip
# The endings of words written as one: "accesstoken". Not "key", which is in "monkey".
_SECRET_ENDINGS = ("apikey", "accesskey", "password", "privatekey", "secret", "secretkey", "token")
# A name with one of these is a count or a price of tokens or keys: "input_cost_per_token".
_COUNTING = frozenset({"cost", "count", "limit", "per", "usage"})
_COUNTED = frozenset({"key", "keys", "token"})
# The prefix of LiteLLM Proxy's data about an API key, such as the key's owner.
_OF_A_KEY = "user_api_key_"
_LONG_NAME = 64
_CONNECTING = frozenset({"connection", "string"})
ADDRESS = re.compile(r"(?:url|uri|endpoint|base)$", re.IGNORECASE)

# A name and a value, as in tags and headers: "api_key:abc".
_LABEL = re.compile(r"\s{0,9}([\w.-]{1,60})\s?[:=]\s?(?=\S)(?!//)")

# The lookbehind prevents a match attempt at each letter of a long word.
URL = re.compile(
    r"(?<![a-z0-9+.-])([0-9+.-]*)([a-z][a-z0-9+.-]*://[^\s\"'<>\\)\]}]+)", re.IGNORECASE
)
# A URL without any of these characters holds no credentials.
_OPENING = re.compile(r"[@?#\[\]]|[^\x00-\x7f]")
WHOLE_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Return whether a name is a secret's, such as ``apiKey`` or ``x-amz-signature``."""
    is_common = type(name) is str and len(name) < _LONG_NAME
    return _is_secret_name(name) if is_common else _is_secret_name.__wrapped__(name)


# The same few names occur in each call, or in each pair of a query.
@lru_cache(maxsize=1024)
def _is_secret_name(name: str) -> bool:
    if name.startswith(_OF_A_KEY) and name != f"{_OF_A_KEY}hash":
        name = name.removeprefix(_OF_A_KEY)
    words = {word.lower() for word in _WORD.findall(name)}
    secret_words = {
        word for word in words if word in _SECRET_WORDS or word.endswith(_SECRET_ENDINGS)
    }
    if words >= _CONNECTING or name.lower().endswith("pass"):
        return True
    return bool(secret_words) and not (words & _COUNTING and secret_words <= _COUNTED)


def redact_named_secrets(value: Any) -> Any:
    """Return JSON types; values under a secret's name and credentials in URLs are redacted."""
    if isinstance(value, dict):
        named = value.get("name", value.get("key"))
        entries = value if "value" not in value else {**value, "value": _of(named, value["value"])}
        return {key: _redact_entry(key, item) for key, item in entries.items()}
    if isinstance(value, list):
        is_pair = len(value) == 2  # noqa: PLR2004 - A name and its value, as headers are listed.
        items = [value[0], _of(value[0], value[1])] if is_pair else value
        return [redact_named_secrets(item) for item in items]
    return _redact_text(value) if isinstance(value, str) else value


def _redact_text(text: str) -> str:
    label = _LABEL.match(text)
    if label and is_secret_name(label[1]):
        return f"{label[0]}{REDACTED}"
    return strip_credentials(text) if "://" in text else text


def _of(name: Any, value: Any) -> Any:
    return REDACTED if value and isinstance(name, str) and is_secret_name(name) else value


def _redact_entry(key: str, value: Any) -> Any:
    # A price or a flag is no secret. Under "tokens", numbers are counts; texts are secrets.
    is_secret = is_secret_name(key) and not isinstance(value, (bool, float))
    if is_secret or (key.lower().endswith("tokens") and isinstance(value, (list, str))):
        return REDACTED if value else value
    if isinstance(value, str) and "://" in value and ADDRESS.search(key):
        return endpoint(value)
    return redact_named_secrets(value)


def strip_credentials(text: str) -> str:
    """Return a text; the credentials and signatures in its URLs are redacted."""
    # A quote ends a URL within a text. A URL that is the whole text may have one in its password.
    text = URL.sub(lambda match: match[1] + _without_credentials(match[2]), text)
    return _without_credentials(text) if WHOLE_URL.fullmatch(text) else text


def _without_credentials(url: str) -> str:
    if not _OPENING.search(url):
        return url
    try:
        parts = split_url(url)
    except ValueError as error:
        let_through(error)
        return REDACTED
    host = parts.netloc.rpartition("@")[2]
    query, fragment = _redact_query(parts.query), _redact_query(parts.fragment)
    if (host, query, fragment) == (parts.netloc, parts.query, parts.fragment):
        return url
    return urlunsplit((parts.scheme, host, parts.path, query, fragment))


def _redact_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    if not any(is_secret_name(name) for name, _ in pairs):
        return query
    return urlencode(
        [(name, REDACTED if is_secret_name(name) else value) for name, value in pairs], safe="[]"
    )
