"""Requests to proxies with guardrails, and the visible results of each."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import httpx
from configurations import configuration
from custom_auth import MASTER_KEY, OPEN_KEY, PRIVATE_KEY, TEAM_KEY

BEFORE, LOGS = ("pre_call", "during_call", "post_call"), ("logging_only", "logger")
ACTIONS = ("ALLOW", "MASK", "BLOCK", "RAISE")
PATHS = {
    "chat": ("/v1/chat/completions", "chat"),
    "messages": ("/v1/messages", "claude"),
    "responses": ("/v1/responses", "chat"),
    "own": ("/own/path", "gpt-4o-mini"),
}
KINDS = ("chat", "messages", "responses")
WHOLE_AND_STREAMED = (False, True)
SHOW = {"litellm-disable-message-redaction": "true"}
HIDE = {"x-litellm-enable-message-redaction": "true"}


class Case(NamedTuple):
    """One request: its proxy, the action of its guardrail, and its other fields."""

    gateway: str
    kind: str
    stream: bool
    mode: str = ""
    action: str = "ALLOW"
    key: str = MASTER_KEY
    body: dict[str, Any] = {}  # noqa: RUF012 - Never changed.
    headers: dict[str, str] = {}  # noqa: RUF012

    @property
    def name(self) -> str:
        """The name of the test."""
        way = "stream" if self.stream else "whole"
        key = "" if self.key == MASTER_KEY else self.key.split("-")[1]
        more = "".join([*self.body, *self.headers])
        parts = (self.gateway, self.mode, self.action, self.kind, way, key, more)
        return "-".join(filter(None, parts))


class Seen(NamedTuple):
    """A request's trace, as text and as an object, and LiteLLM's payloads of it as text."""

    given: str
    status: int
    answer: str
    trace: Any
    text: str
    payloads: str


GUARDED = [
    Case("guarded", kind, stream, mode, action)
    for mode, action, kind, stream in product(BEFORE, ACTIONS, KINDS, WHOLE_AND_STREAMED)
]
LOGGED = [
    Case("logged", kind, stream, mode, action)
    for mode, action, kind, stream in product(LOGS, ACTIONS, KINDS, WHOLE_AND_STREAMED)
]
BROKEN = [
    Case("logged", "chat", stream, "logging_only", action)
    for stream, action in product(WHOLE_AND_STREAMED, ("NONSENSE", "HANG"))
]
PASSED = [Case("guarded", "own", stream) for stream in WHOLE_AND_STREAMED]
HIDDEN = [
    case
    for kind, stream in product(KINDS, WHOLE_AND_STREAMED)
    for case in (
        Case("guarded", kind, stream, body={"no-log": True}),
        Case("guarded", kind, stream, headers=HIDE),
        Case("guarded", kind, stream, key=PRIVATE_KEY),
        Case("guarded", kind, stream, key=TEAM_KEY),
        Case("silent", kind, stream),
        Case("silent", kind, stream, headers=SHOW),
        Case("silent", kind, stream, key=OPEN_KEY),
    )
]
SHOWN = [
    Case("silent", kind, stream, key=OPEN_KEY, headers=SHOW)
    for kind, stream in product(KINDS, WHOLE_AND_STREAMED)
]
RAW = [
    Case("silent", kind, stream, "post_call", "MASK", OPEN_KEY, headers=SHOW)
    for kind, stream in product(KINDS, WHOLE_AND_STREAMED)
]
PRESIDIO = [
    Case(gateway, kind, stream, "presidio")
    for gateway, kind, stream in product(("masked", "logged"), KINDS, WHOLE_AND_STREAMED)
]
CASES = {
    case.name: case
    for case in (*GUARDED, *LOGGED, *BROKEN, *PASSED, *HIDDEN, *SHOWN, *RAW, *PRESIDIO)
}


def warden(mode: str) -> dict[str, Any]:
    """Return a guardrail for a mode, which requests select by its name."""
    return {"guardrail_name": mode, "litellm_params": {"guardrail": "wardens.Warden", "mode": mode}}


def presidio(url: str, mode: str) -> dict[str, Any]:
    """Return LiteLLM's guardrail that calls Presidio, and that restores the masked addresses."""
    params = {
        "guardrail": "presidio",
        "mode": mode,
        "output_parse_pii": True,
        # By default it masks responses as well, after it has restored the addresses.
        "presidio_filter_scope": "input",
        "presidio_analyzer_api_base": url,
        "presidio_anonymizer_api_base": url,
    }
    return {"guardrail_name": "presidio", "litellm_params": params}


def configurations(presidio_url: str) -> dict[str, dict[str, Any]]:
    """Return the configuration of each proxy by its name."""
    guards = {
        "guarded": [warden(mode) for mode in BEFORE],
        "logged": [warden("logging_only"), presidio(presidio_url, "logging_only")],
        "silent": [warden("post_call")],
        "masked": [presidio(presidio_url, "pre_call")],
    }
    loggers = {"logged": ["wardens.logger"]}
    found = {}
    for name, guardrails in guards.items():
        config = configuration(turn_off_message_logging=name == "silent")
        config["guardrails"] = guardrails
        config["litellm_settings"]["callbacks"] += ["wardens.log", *loggers.get(name, ())]
        found[name] = config
    return found


def ask(case: Case, given: str, call_id: str, url: str) -> httpx.Response:
    """Make a case's request and read its response."""
    path, model = PATHS[case.kind]
    texts = [f"{given} {case.mode} {case.action}", "/cached"]
    if case.mode == "presidio":
        texts = [f"/say | {given} it is"]
    said = [{"role": "user", "content": text} for text in texts]
    body = {"model": model, "input" if case.kind == "responses" else "messages": said}
    body |= {"max_tokens": 50} if case.kind == "messages" else {}
    body |= {"stream": True} if case.stream else {}
    body |= {"guardrails": [case.mode]} if case.mode in {*BEFORE, "presidio"} else {}
    known = {"Authorization": f"Bearer {case.key}", "x-litellm-call-id": call_id}
    headers = {**known, **case.headers}
    return httpx.post(f"{url}{path}", json={**body, **case.body}, headers=headers, timeout=60)
