"""No key, header or cookie of the proxy is in a trace, whatever fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from configurations import EXPERIMENT, VENDORS_KEY
from custom_auth import MASTER_KEY, SPENT_KEY, VIRTUAL_KEY
from gateways import Spans

if TYPE_CHECKING:
    from gateways import Gateway
    from mlflow.entities import Trace
    from processes import TrackingServer

# The first test waits for all processes, and sends all requests.
pytestmark = pytest.mark.timeout(300)

WRONG_KEY = "sk-wrong-secret-0123456789"
WRONG_WORDS = "open-sesame-and-be-quick"
BODYS_KEY = "sk-body-secret-0123456789"
QUERYS_KEY = "sk-query-secret-0123456789"
COOKIE = "c00kie-secret-0123456789"
OPENAI_KEY = "sk-vendor-secret-0123456789"
ANTHROPIC_KEY = "sk-ant-vendor-secret-0123456789"
PROVIDERS_COOKIE = "very-secret-cookie"
SECRETS = {
    "master key": MASTER_KEY,
    "virtual key": VIRTUAL_KEY,
    "spent key": SPENT_KEY,
    "wrong key": WRONG_KEY,
    "wrong words": WRONG_WORDS,
    "body's key": BODYS_KEY,
    "query's key": QUERYS_KEY,
    "cookie": COOKIE,
    "deployment's key": VENDORS_KEY,
    "OpenAI's key": OPENAI_KEY,
    "Anthropic's key": ANTHROPIC_KEY,
    "provider's cookie": PROVIDERS_COOKIE,
}
BEARER = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
COOKIES = {"Cookie": f"token={COOKIE}; theme=dark"}
# The provider's response quotes the whole request.
QUOTING = "/error 401 $REQUEST"
# Names of group, model, path, team and user: LiteLLM passes them beside a call's secrets.
NO_SECRETS = ("chat", "gpt-4o-mini", "/v1/chat/completions", "Research", "alice")


@dataclass(frozen=True)
class Sent:
    """One request: its text, headers and path."""

    text: str = "hello"
    headers: dict[str, str] = field(default_factory=lambda: BEARER)
    path: str = "/v1/chat/completions"
    model: str = "chat"
    fields: dict[str, Any] = field(default_factory=dict)
    fails: bool = False

    def by(self, gateway: Gateway, mark: str) -> httpx.Response:
        """Send it, and return the response."""
        messages = [{"role": "user", "content": f"{self.text} {mark}"}]
        body = {"model": self.model, "messages": messages, "max_tokens": 50, **self.fields}
        return httpx.post(f"{gateway.url}{self.path}", json=body, headers=self.headers, timeout=60)


STREAM = {"stream": True}
CLAUDE = {"path": "/v1/messages", "model": "claude"}
OPENAIS = {"path": "/openai/chat/completions", "model": "gpt-4o-mini"}
ANTHROPICS = {"path": "/anthropic/v1/messages", "model": "claude-3-5-sonnet-20241022"}
OWN = {"path": "/own/path", "model": "gpt-4o-mini"}
REQUESTS = {
    "success": Sent(),
    "success with cookies": Sent(headers={**BEARER, **COOKIES}),
    "master key": Sent(headers={"Authorization": f"Bearer {MASTER_KEY}"}),
    "x-api-key": Sent(headers={"x-api-key": VIRTUAL_KEY}, **CLAUDE),
    "api-key": Sent(headers={"api-key": VIRTUAL_KEY}),
    "stream": Sent(fields=STREAM),
    "wrong key": Sent(headers={"Authorization": f"Bearer {WRONG_KEY}"}, fails=True),
    "wrong x-api-key": Sent(headers={"x-api-key": WRONG_KEY}, fails=True, **CLAUDE),
    "wrong api-key": Sent(headers={"api-key": WRONG_KEY}, fails=True),
    "wrong words": Sent(headers={"Authorization": f"Bearer {WRONG_WORDS}"}, fails=True),
    "spent key": Sent(headers={"Authorization": f"Bearer {SPENT_KEY}"}, fails=True),
    "quoted": Sent(QUOTING, {**BEARER, **COOKIES}, fails=True),
    "quoted by Anthropic": Sent(QUOTING, fails=True, **CLAUDE),
    "quoted in a stream": Sent("/event-error 2 $REQUEST", fields=STREAM),
    "quoted to a stream": Sent(QUOTING, fields=STREAM, fails=True),
    "lost": Sent(model="lost", fails=True),
    "told why": Sent(f"/error 400 {' '.join(NO_SECRETS)}", fails=True),
    "passed": Sent(**OWN),
    "passed and quoted": Sent(QUOTING, fails=True, **OWN),
    "passed to OpenAI": Sent(**OPENAIS),
    "passed to OpenAI and quoted": Sent(QUOTING, fails=True, **OPENAIS),
    "passed to Anthropic": Sent(**ANTHROPICS),
    "passed to Anthropic and quoted": Sent(QUOTING, fails=True, **ANTHROPICS),
    "key in the query": Sent(path=f"/v1/chat/completions?key={QUERYS_KEY}"),
}


@dataclass(frozen=True)
class Driven:
    """The proxy's responses to all requests, and the traces, by the names above."""

    answers: dict[str, httpx.Response]
    traces: dict[str, Trace]

    def holding(self, secret: str) -> list[str]:
        """Return the names of the requests whose traces contain a secret."""
        return [name for name, trace in self.traces.items() if secret in str(trace.to_dict())]


@pytest.fixture(scope="module")
def driven(gateway: Gateway, tracking: TrackingServer) -> Driven:
    """Send all requests, and one with a key in its body, which may be refused."""
    marks = {name: uuid4().hex for name in [*REQUESTS, "key in the body"]}
    answers = {name: sent.by(gateway, marks[name]) for name, sent in REQUESTS.items()}
    with_key = Sent(QUOTING, fields={"api_key": BODYS_KEY})
    answers["key in the body"] = with_key.by(gateway, marks["key in the body"])

    def name_of(trace: Trace) -> str | None:
        told = trace.to_json()
        return next((name for name, mark in marks.items() if mark in told), None)

    traces = Spans(tracking.uri, EXPERIMENT).when(name_of, len(marks))
    return Driven(answers, {name: trace for trace in traces if (name := name_of(trace))})


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_trace_holds(secret: str, driven: Driven) -> None:
    """The secret is in no input, output, attribute, event or tag."""
    assert driven.holding(secret) == []


@pytest.mark.parametrize("name", REQUESTS)
def test_request_is_answered_as_it_is_meant_to_be(name: str, driven: Driven) -> None:
    """Each request has its expected status, so that the tests check the intended case."""
    answer = driven.answers[name]
    assert answer.is_error == REQUESTS[name].fails, answer.text
    assert name in driven.traces


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("wrong words", WRONG_WORDS),
        ("passed and quoted", VENDORS_KEY),
        ("passed to OpenAI and quoted", OPENAI_KEY),
        ("passed to Anthropic and quoted", ANTHROPIC_KEY),
    ],
)
def test_secret_was_there_to_be_recorded(name: str, secret: str, driven: Driven) -> None:
    """The client's error, which the trace records too, contains the secret."""
    assert secret in driven.answers[name].text


@pytest.mark.parametrize("word", NO_SECRETS)
def test_errors_stay_readable(word: str, driven: Driven) -> None:
    """Words that are not secret stay in the errors, beside redacted secrets."""
    events = [event for span in driven.traces["told why"].data.spans for event in span.events]
    messages = [str(event.attributes["exception.message"]) for event in events]
    assert len(messages) == 3
    assert [message for message in messages if f" {word} " not in message] == []
