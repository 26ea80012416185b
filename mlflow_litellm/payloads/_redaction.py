"""Takes secrets out of the texts of exceptions, which quote what the call was given."""

from __future__ import annotations

import html
import re

from mlflow_litellm.payloads._secrets import REDACTED, cleaned_url, is_secret_name

# A letter and what no word of prose has: a digit, a sign, a capital within, a mask.
KEY = re.compile(r"(?=.*[A-Za-z*])(?:.*[\d*+=%]|.*[a-z][A-Z]|[^ ]{25})", re.DOTALL)
PLAIN_WORDS = re.compile(r"[A-Za-z]?[a-z]*(?:[ ./_-]+[a-z]+)*\.?")

_PARAMETER = re.compile(r"([?&#]([\w.;-]{1,60})=)([^&\s\"'<>\\]+)")
# What keys look like in the texts of providers' errors, which quote them: a lead, and the rest.
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
# As headers are quoted, whatever a provider calls it: LiteLLM's clients send cookies back.
_COOKIE = re.compile(r"(?i)(\bcookie[\\\"']{0,4}\s?[:=]\s?[\\\"']{0,4})([^\s\"'\\,}][^\"'\\\n}]*)")


def redacted(text: str, hidden: list[str]) -> str:
    """Return an exception's text without secrets, known or looking like some."""
    for secret in hidden:
        text = _without(text, secret)
    text = without_parameters(text)
    for pattern in _PATTERNS:
        text = pattern.sub(_without_key, text)
    return _COOKIE.sub(rf"\1{REDACTED}", text)


def without_parameters(text: str) -> str:
    """Return a text without what opens its URLs, also of one that has spaces in it."""
    return _PARAMETER.sub(_without_parameter, cleaned_url(text))


def _without_parameter(found: re.Match[str]) -> str:
    return found[1] + REDACTED if is_secret_name(found[2]) else found[0]


def _without_key(found: re.Match[str]) -> str:
    return found[1] + REDACTED if KEY.match(found[2]) else found[0]


def _without(text: str, secret: str) -> str:
    # Most secrets are in no text: their longest piece that nothing escapes is looked for first.
    if max(re.findall(r"[A-Za-z0-9]*", secret), key=len) not in text:
        return text
    pattern = "".join(map(_any_form, secret))
    if len(secret) < 8 or PLAIN_WORDS.fullmatch(secret):  # noqa: PLR2004
        pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
    return re.sub(pattern, REDACTED, text)


def _any_form(character: str) -> str:
    """Return a pattern of a character as it is, or as JSON, ``repr()``, URLs and HTML escape it."""
    if character.isalnum() and character.isascii():
        return character
    encoded = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "replace"))
    forms = {character, html.escape(character), {" ": "+", "\n": "n", "\t": "t"}.get(character, "")}
    known = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True) if form)
    return rf"\\{{0,8}}(?:{known}|(?i:{encoded}|u{ord(character):04x}))"
