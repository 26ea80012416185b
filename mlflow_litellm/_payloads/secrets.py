"""
Redacts secrets in recorded data: by their names, in URLs, and in the texts of exceptions.

Arguments are recorded by an allowlist. This module is for data in which users choose the names:
metadata, definitions of tools, URLs. Exceptions quote the call's arguments.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from mlflow_litellm._common.interruptions import errors_ignored, let_through

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
# Python normalizes the host's Unicode, in time that grows with the square of its length.
_LONGEST_HOST = 512
_LONG_HOST = re.compile(rf"[^/?#]*//[^/?#]{{{_LONGEST_HOST}}}")

# A letter and a mark that no English word has: a digit, a sign, an inner capital letter, or a mask.
KEY = re.compile(r"(?=.*[A-Za-z*])(?:.*[\d*+=%]|.*[a-z][A-Z]|[^ ]{25})", re.DOTALL)
PLAIN_WORDS = re.compile(r"[A-Za-z]?[a-z]*(?:[ ./_-]+[a-z]+)*\.?")

_UNESCAPED = re.compile(r"[A-Za-z0-9]*")
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_CHARACTERS = re.compile(r"(\\*)([^\\])")
_PARAMETER = re.compile(r"([?&#]([\w.;-]{1,60})=)([^&\s\"'<>\\]+)")
# Keys as providers' errors quote them: the text before the key, and the key.
_PATTERNS = (
    re.compile(r"(?i)(\b(?:bearer|basic)\s{1,3})([\w.~+/=*-]{6,})"),
    re.compile(
        r"(?i)((?:api[-_ ]?key|token|secret|passw(?:or)?d)[\\\"']{0,4}"
        r"(?:\s?[:=]|\s(?:is|provided)\b:?)\s?[\\\"']{0,4})([\w.~+/=*-]{6,})"
    ),
    re.compile(
        r"(?<![\w-])()((?:sk|pk|rk|gsk|xai|hf|gh[a-z]|github_pat|glpat|xox[a-z]|pplx)[-_]"
        r"[\w*-]{8,})"
    ),
    re.compile(r"\b()((?:AIza|AKIA|ASIA|ya29\.|eyJ)[\w.*-]{12,})"),
)
# A quoted cookie header with any name before it: LiteLLM's clients send cookies back.
_COOKIE = re.compile(r"(?i)(\bcookie[\\\"']{0,4}\s?[:=]\s?[\\\"']{0,4})([^\s\"'\\,}][^\"'\\\n}]*)")


# In characters times secrets: limits of some tenths of a second.
_MOST_SEARCHED = 1_000_000_000
_MOST_MATCHED = 20_000_000


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


def redact_named_secrets(value: object) -> Any:
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


def _of(name: object, value: object) -> Any:
    return REDACTED if value and isinstance(name, str) and is_secret_name(name) else value


def _redact_entry(key: str, value: object) -> Any:
    # A price or a flag is no secret. Under "tokens", numbers are counts; texts are secrets.
    is_secret = is_secret_name(key) and not isinstance(value, (bool, float))
    if is_secret or (key.lower().endswith("tokens") and isinstance(value, (list, str))):
        return REDACTED if value else value
    if isinstance(value, str) and "://" in value and ADDRESS.search(key):
        return endpoint(value)
    return redact_named_secrets(value)


def split_url(url: str) -> SplitResult:
    """
    Return the parts of a URL.

    Raises:
        ValueError: The text is no URL, or its host is too long.
    """
    if not url.isascii() and _LONG_HOST.match(url):
        raise ValueError
    return urlsplit(url)


def endpoint(url: object) -> str | None:
    """Return a URL without credentials, query and fragment, which may hold keys."""
    if not isinstance(url, str) or not url:
        return None
    with errors_ignored(ValueError):
        parts = split_url(url)
        host = parts.netloc.rpartition("@")[2]
        _ = parts.port  # Raises if a "/" in a password ends the host too early.
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    return None


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


def redacted(text: str, secrets: list[str]) -> str:
    """
    Return an exception's text without the known secrets, and without texts that look like secrets.

    Args:
        text: The text. It is redacted as a whole if it is too long for a search for all secrets.
        secrets: The known secrets, longest first.
    """
    if len(text) * len(secrets) > _MOST_SEARCHED:
        return REDACTED
    matched, lowered = 0, text.lower()
    for secret in secrets:
        if _may_be_in(text, lowered, secret):
            matched += len(text)
            if matched > _MOST_MATCHED:
                return REDACTED
            text = _without(text, secret)
    text = without_parameters(text)
    for pattern in _PATTERNS:
        text = pattern.sub(_without_key, text)
    return _COOKIE.sub(rf"\1{REDACTED}", text)


def without_parameters(text: str) -> str:
    """Return a text without the secrets in its URLs, also in URLs that contain spaces."""
    return _PARAMETER.sub(_without_parameter, strip_credentials(text))


def _without_parameter(match: re.Match[str]) -> str:
    return match[1] + REDACTED if is_secret_name(match[2]) else match[0]


def _without_key(match: re.Match[str]) -> str:
    return match[1] + REDACTED if KEY.match(match[2]) else match[0]


def _without(text: str, secret: str) -> str:
    # Without outer backslashes, the secret still matches. They have too many escaped forms.
    forms = [_any_form(*match) for match in _CHARACTERS.findall(secret.strip("\\"))]
    pattern = "".join(forms)
    if not pattern:
        return text
    if len(secret) < 8 or PLAIN_WORDS.fullmatch(secret):  # noqa: PLR2004
        pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
    return re.sub(pattern, REDACTED, text)


def _may_be_in(text: str, lowered: str, secret: str) -> bool:
    """Return False if a piece of a secret shows, much faster, that the secret is not in a text."""
    piece = max(_UNESCAPED.findall(secret), key=len)
    if len(piece) > 2 or secret.isascii():  # noqa: PLR2004
        return piece in text
    # Non-ASCII letters are escaped in two ways.
    letters = max(_FOREIGN.findall(secret), key=len)
    byte = letters[0].encode("utf-8", "replace")[:1].hex()
    forms = (f"u{_utf16(letters[0])[0]}", f"%{byte}", f"25{byte}")
    return letters in text or any(form in lowered for form in forms)


def _utf16(character: str) -> list[str]:
    encoded = character.encode("utf-16-be", "surrogatepass")
    return [encoded[at : at + 2].hex() for at in range(0, len(encoded), 2)]


def _any_form(backslashes: str, character: str) -> str:
    """Return a pattern for a character, plain or as escaped by JSON, ``repr()``, URLs and HTML."""
    escapes = r"\\{0,8}"
    if backslashes:
        # One pattern for all backslashes: one pattern for each would backtrack without end.
        escapes = rf"(?:\\|(?i:%(?:25)*5c|u005c)){{1,{max(64, 8 * len(backslashes))}}}"
    if character.isalnum() and character.isascii():
        return f"{escapes}{character}" if backslashes else character
    encoded = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "replace"))
    forms = {character, html.escape(character), {" ": "+", "\n": "n", "\t": "t"}.get(character, "")}
    unencoded = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True) if form)
    in_json = r"\\{1,8}".join(f"u{unit}" for unit in _utf16(character))
    return rf"{escapes}(?:{unencoded}|(?i:{encoded}|{in_json}))"
