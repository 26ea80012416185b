"""Redacts secrets in the texts of exceptions, which quote the call's arguments."""

from __future__ import annotations

import html
import re

from mlflow_litellm._payloads.secrets import REDACTED, is_secret_name, strip_credentials

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
