"""Finds the secrets of a call: in its arguments, the environment and LiteLLM's settings."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import UserString
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from mlflow_litellm._common.interruptions import let_through
from mlflow_litellm._payloads.containers import entries, is_listed, listed
from mlflow_litellm._payloads.secrets import (
    ADDRESS,
    KEY,
    PLAIN_WORDS,
    URL,
    WHOLE_URL,
    is_secret_name,
    redacted,
    split_url,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# Arguments that hold no secrets: exceptions may quote their texts.
_HARMLESS = frozenset({
    "api_base", "api_version", "base_model", "base_url", "custom_llm_provider", "deployment_id",
    "litellm_call_id", "litellm_session_id", "litellm_trace_id", "mock_response", "model",
    "model_name", "region_name",
})  # fmt: skip
# Only the models' names in these are recorded: in lists, or by a harmless name. The rest is secret.
_DEPLOYMENTS = frozenset({
    "content_policy_fallbacks", "context_window_fallbacks", "fallbacks", "model_list",
})  # fmt: skip
# The request to LiteLLM Proxy, which repeats the call's arguments.
_PROXIED = "proxy_server_request"
_REGION = re.compile(r"(?:region|location|project)(?:_name|_id)?$")
# Placeholders for the key of a local server. They are common words in texts.
_PLACEHOLDERS = frozenset({
    "anything", "default", "dummy", "empty", "fake", "false", "none", "null", "test", "true",
})  # fmt: skip
_SHORTEST = 4
_LONGEST_PLAIN = 19
# In characters. A longer text is a document, and slow to search for. Only the keys in its first
# `_READ` characters are found.
_LONGEST = 512
_READ = 10_000
_PIECES = re.compile(r"[\s;,]+|(?<=\w)=(?=\w)")
# URLs may have URLs in their queries. A URL that nests deeper is secret as a whole.
_MOST_NESTED = 4
_ANY_PIECES = re.compile(r"[^\w.~%+*-]+")
_ENCODED_AGAIN = re.compile(r"%(?:25)+")


class Redaction:
    """
    Redact the secrets of a call and of its inner calls in the texts of an exception.

    Args:
        arguments: The call's arguments by name.
        allowed: The names of the arguments that are recorded.
        inner: The redactions of the inner calls; inner calls are added to this list later.
    """

    def __init__(
        self, arguments: Mapping[str, Any], allowed: frozenset[str], inner: list[Redaction]
    ) -> None:
        self._arguments = arguments
        self._allowed = allowed
        self._inner = inner
        self._secrets: frozenset[str] | None = None

    def __call__(self, text: str) -> str:
        return redacted(text, sorted(self.secrets(), key=len, reverse=True))

    def secrets(self) -> frozenset[str]:
        """Return the secrets as one set: thousands of calls of a batch may have the same ones."""
        if self._secrets is None:
            self._secrets = frozenset(secrets(self._arguments, self._allowed))
        return self._secrets.union(*(redaction.secrets() for redaction in self._inner))


def secrets(arguments: Mapping[str, Any], allowed: frozenset[str]) -> list[str]:
    """
    Return the secret texts of a call, longest first. No trace may contain them.

    Args:
        arguments: The call's arguments by name.
        allowed: The names of the arguments that are recorded. Only values under a secret's name
            inside these arguments are secret.
    """
    secrets = {*_environment(), *_settings()}
    for name, value in arguments.items():
        is_allowed = name in allowed or "metadata" in name or name == _PROXIED
        # The name of a recorded argument is no secret's: "eos_token".
        secrets.update(_texts("" if is_allowed else name, value, is_hidden=not is_allowed))
        if name in _DEPLOYMENTS:
            secrets.update(_of_deployments(value, set()))
    return sorted(secrets, key=len, reverse=True)


def _environment() -> Iterator[str]:
    """Return the values of secrets in the environment, such as ``OPENAI_API_KEY``."""
    return (
        value
        for name, value in os.environ.items()
        if is_secret_name(name) and len(value) >= 8 and KEY.match(value)  # noqa: PLR2004
        # Paths and addresses are in every stack trace.
        and "://" not in value and not (value[0] == "/" and os.path.exists(value))  # noqa: PTH110
    )  # fmt: skip


def _settings() -> Iterator[str]:
    """Yield the secrets in LiteLLM's settings for all calls, such as ``litellm.api_key``."""
    litellm = sys.modules.get("litellm")
    # Other threads import modules meanwhile. copy() is atomic, a loop is not.
    for name, value in vars(litellm).copy().items() if litellm else ():
        if isinstance(value, str) and is_secret_name(name) and KEY.match(value):
            yield value
    yield from _texts("headers", getattr(litellm, "headers", None), is_hidden=True)
    for item in getattr(litellm, "credential_list", None) or ():
        values = getattr(item, "credential_values", None)
        yield from _texts("credentials", values, is_hidden=True)


def _texts(
    name: str, value: object, *, is_hidden: bool, depth: int = 7, seen: set[Any] | None = None
) -> Iterator[str]:
    """Yield the secret texts in an argument: by their names, or because they look like keys."""
    try:
        yield from _texts_of(name, value, is_hidden=is_hidden, depth=depth, seen=seen)
    except (MemoryError, RecursionError):
        # Not the value's own error. A secret that is not read could be recorded.
        raise
    except Exception as error:  # noqa: BLE001 - A class of the user's own may raise.
        let_through(error)
        return


def _texts_of(
    name: str, value: object, *, is_hidden: bool, depth: int, seen: set[Any] | None
) -> Iterator[str]:
    is_hidden = is_hidden and name not in _HARMLESS and not _REGION.search(name)
    if isinstance(value, (bytes, bytearray)):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (str, UserString)):
        value = str(value)
        yield from _of_text(name, value, is_hidden=is_hidden, depth=depth)
        return
    is_secret, is_address = is_secret_name(name), bool(ADDRESS.search(name))
    is_hidden, is_headers = is_hidden or is_secret, name.endswith("headers")
    seen = set() if seen is None else seen
    # Objects that refer to one another can be reached on too many paths.
    if (way := (id(value), is_hidden, is_secret, is_address, is_headers, depth)) in seen:
        return
    seen.add(way)
    for key, item in _entries(value) if depth else ():
        # The properties of a schema are names of a tool's arguments.
        if is_hidden or key != "properties":
            # Each value of a header is secret, under any name.
            inner = name if key is None or is_headers else key
            yield from _texts(inner, item, is_hidden=is_hidden, depth=depth - 1, seen=seen)


def _of_deployments(value: object, seen: set[Any], depth: int = 7) -> Iterator[str]:
    if not depth or (id(value), depth) in seen:
        return
    seen.add((id(value), depth))
    for key, item in _entries(value):
        if key is not None and not isinstance(item, (list, tuple)):
            yield from _texts(key, item, is_hidden=True)
        elif not isinstance(item, str):
            yield from _of_deployments(item, seen, depth - 1)


def _entries(value: object) -> Iterator[tuple[str | None, Any]]:
    if isinstance(value, Mapping):
        items = entries(value).items()
        yield from ((key if isinstance(key, str) else "", item) for key, item in items)
    elif is_listed(value):
        yield from ((None, item) for item in listed(value))
    elif not isinstance(value, type) and isinstance(held := getattr(value, "__dict__", None), dict):
        # A client object holds its key, and much other data.
        yield from ((key, item) for key, item in held.items() if is_secret_name(key))


def _of_text(
    name: str, value: str, *, is_hidden: bool, depth: int, nested: int = 0
) -> Iterator[str]:
    if is_secret_name(name) or (is_hidden and not _is_prose(value)):
        yield from _keys(value, _PIECES, value[:_READ])
    if is_hidden and depth and value.lstrip().startswith("{"):
        yield from _of_json(name, value, depth - 1)
    if "://" in value:
        is_address = is_hidden or bool(ADDRESS.search(name))
        is_whole = WHOLE_URL.fullmatch(value)
        for url in [value] if is_whole else (url for _, url in URL.findall(value)):
            yield from _of_url(url, is_address=is_address, nested=nested)


def _keys(text: str, between: re.Pattern[str], read: str) -> Iterator[str]:
    """
    Yield a text, and the pieces of it that look like keys: of a cookie, a header, a file.

    Args:
        text: The text.
        between: The separator of the pieces.
        read: The part of the text that is searched for keys.
    """
    pieces = between.split(read)
    keys = [piece for piece in pieces if len(piece) > 7 and KEY.match(piece)]  # noqa: PLR2004
    for key in (text.strip(), *keys):
        if _SHORTEST <= len(key) <= _LONGEST and key.lower() not in _PLACEHOLDERS:
            yield key


def _of_json(name: str, text: str, depth: int) -> Iterator[str]:
    data = None
    try:
        data = json.loads(text)
    except ValueError as error:
        let_through(error)
        return
    except RecursionError:
        # The JSON nests too deep for the remaining stack.
        yield from _keys(text, _ANY_PIECES, text)
    if _nests_below(data, depth):
        # Below that depth, no names are read.
        yield from _keys(text, _ANY_PIECES, text)
    yield from _texts(name, data, is_hidden=True, depth=depth)


def _nests_below(data: object, depth: int) -> bool:
    """Return whether JSON data nests deeper than a number of levels."""
    if not isinstance(data, (dict, list)):
        return False
    if not depth:
        return True
    items = data.values() if isinstance(data, dict) else data
    return any(_nests_below(item, depth - 1) for item in items)


def _is_prose(text: str) -> bool:
    """Return whether a text is a word or a sentence, and not a key."""
    is_short = len(text) <= _LONGEST_PLAIN or (" " in text and len(text) <= _LONGEST)
    return is_short and bool(PLAIN_WORDS.fullmatch(text))


def _of_url(url: str, *, is_address: bool, nested: int) -> Iterator[str]:
    parts = None
    try:
        parts = split_url(url)
    except ValueError as error:
        let_through(error)
    if parts is None or nested == _MOST_NESTED:
        yield from _keys(url, _ANY_PIECES, unquote(_ENCODED_AGAIN.sub("%", url)))
        return
    inside = {"depth": 0, "nested": nested + 1}
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    for text, name in ((unquote(password), "password"), (unquote(user), "user")):
        yield from _of_text(name, text, is_hidden=True, **inside)
    for name, text in (*parse_qsl(parts.query), *parse_qsl(parts.fragment)):
        is_hidden = is_address and name.replace("-", "_") not in _HARMLESS
        yield from _of_text(name, text, is_hidden=is_hidden, **inside)
