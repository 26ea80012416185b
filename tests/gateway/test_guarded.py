"""What LiteLLM hides from its callbacks is in no span, by the payloads that a callback gets."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
from configurations import configuration
from custom_auth import MASTER_KEY, PRIVATE_KEY
from gateways import Gateway, Spans, is_whole, root
from processes import running

if TYPE_CHECKING:
    from mlflow.entities import Trace
    from processes import Provider, TrackingServer

# The first test waits for all requests.
pytestmark = pytest.mark.timeout(400)

MADE = "served from the prompt cache"
MODES = ("pre_call", "during_call", "post_call", "logging_only")
ACTIONS = ("ALLOW", "MASK", "BLOCK", "RAISE")
PATHS = {
    "chat": ("/v1/chat/completions", "chat"),
    "messages": ("/v1/messages", "claude"),
    "responses": ("/v1/responses", "chat"),
}


class Case(NamedTuple):
    """One request: which guardrail is to do what, and what else the request says."""

    kind: str
    stream: bool
    mode: str = ""
    action: str = "ALLOW"
    body: dict[str, Any] = {}  # noqa: RUF012 - Never changed.
    headers: dict[str, str] = {}  # noqa: RUF012

    @property
    def name(self) -> str:
        """What the test is called."""
        way = "stream" if self.stream else "whole"
        more = "".join([*self.body, *self.headers])
        return "-".join(filter(None, (self.mode, self.action, self.kind, way, more)))


class Seen(NamedTuple):
    """A request's trace, as text and as it is, and LiteLLM's payloads of it as text."""

    given: str
    status: int
    answer: str
    trace: Trace
    text: str
    payloads: str


GUARDED = [
    Case(kind, stream, mode, action)
    for mode, action, kind, stream in product(MODES, ACTIONS, PATHS, (False, True))
]
NONSENSE = [Case("chat", stream, "logging_only", "NONSENSE") for stream in (False, True)]
SWITCHED = [
    case
    for kind, stream in product(PATHS, (False, True))
    for case in (
        Case(kind, stream, body={"no-log": True}),
        Case(kind, stream, headers={"x-litellm-enable-message-redaction": "true"}),
        Case(kind, stream, headers={"Authorization": f"Bearer {PRIVATE_KEY}"}),
    )
]
CASES = {case.name: case for case in (*GUARDED, *NONSENSE, *SWITCHED)}


def guardrails() -> list[dict[str, Any]]:
    """Return a warden for each mode, to be asked for by its name."""
    return [
        {"guardrail_name": mode, "litellm_params": {"guardrail": "wardens.Warden", "mode": mode}}
        for mode in MODES
    ]


def ask(case: Case, given: str, call_id: str, url: str) -> httpx.Response:
    """Make a case's request and read its answer."""
    path, model = PATHS[case.kind]
    said = [{"role": "user", "content": text} for text in (f"{given} {case.action}", "/cached")]
    body = {"model": model, "input" if case.kind == "responses" else "messages": said}
    body |= {"max_tokens": 50} if case.kind == "messages" else {}
    body |= {"stream": True} if case.stream else {}
    body |= {"guardrails": [case.mode]} if case.mode else {}
    known = {"Authorization": f"Bearer {MASTER_KEY}", "x-litellm-call-id": call_id}
    headers = {**known, **case.headers}
    return httpx.post(f"{url}{path}", json={**body, **case.body}, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def seen(
    tmp_path_factory: pytest.TempPathFactory, vendor: Provider, tracking: TrackingServer
) -> dict[str, Seen]:
    """Make all requests to one gateway, stop it, and return what was seen of each."""
    config = configuration()
    config["guardrails"] = guardrails()
    config["litellm_settings"]["callbacks"] += ["wardens.log"]
    experiment = f"guarded-{uuid4().hex}"
    traced = {"MLFLOW_TRACKING_URI": tracking.uri, "MLFLOW_EXPERIMENT_NAME": experiment}
    folder = tmp_path_factory.mktemp("guarded")
    ids = {name: (f"given-{uuid4().hex}", str(uuid4())) for name in CASES}
    with running(Gateway(folder, config, {**vendor.environment, **traced})) as gateway:
        url = gateway.wait().url
        with ThreadPoolExecutor(8) as pool:
            answers = dict(
                zip(
                    CASES,
                    pool.map(lambda name: ask(CASES[name], *ids[name], url), CASES),
                    strict=True,
                )
            )
    lines = (folder / "payloads.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    traces = {
        root(trace).attributes.get("litellm_call_id"): trace
        for trace in Spans(tracking.uri, experiment).when(is_whole, len(CASES))
    }
    return {
        name: Seen(
            given,
            answers[name].status_code,
            answers[name].text,
            traces[call_id],
            json.dumps(traces[call_id].to_dict()),
            json.dumps([payload for known, payload in logged if known == call_id]),
        )
        for name, (given, call_id) in ids.items()
    }


@pytest.fixture
def one(request: pytest.FixtureRequest, seen: dict[str, Seen]) -> Seen:
    """Return what was seen of a case."""
    return seen[request.param]


def names(**wanted: Any) -> list[str]:
    """Return the names of the cases with these fields."""
    return [
        name
        for name, case in CASES.items()
        if all(getattr(case, key) in value for key, value in wanted.items())
    ]


@pytest.mark.parametrize("one", CASES, indirect=True)
def test_text_that_the_payload_lacks_is_in_no_span(one: Seen) -> None:
    """Neither in inputs and outputs, nor in exceptions, tags and previews."""
    shown = [text for text in (one.given, MADE) if text in one.text]
    assert [text for text in shown if text not in one.payloads] == []


@pytest.mark.parametrize("one", names(action=("ALLOW",), body=({},), headers=({},)), indirect=True)
def test_what_a_guardrail_lets_pass_is_recorded(one: Seen) -> None:
    """The guardrail costs the trace nothing."""
    assert [text for text in (one.given, MADE) if text not in one.text] == []


@pytest.mark.parametrize("one", names(mode=("pre_call",), action=ACTIONS[1:]), indirect=True)
def test_text_that_is_masked_or_stopped_before_the_call_is_nowhere(one: Seen) -> None:
    """Not in the text of the exception either."""
    assert one.given not in one.text


@pytest.mark.parametrize("one", names(mode=("post_call",), action=ACTIONS[1:]), indirect=True)
def test_answer_that_the_client_may_not_see_is_nowhere(one: Seen) -> None:
    """The attempt and the Router had it from the provider."""
    assert MADE not in one.text


@pytest.mark.parametrize(
    "one", names(mode=("logging_only",), action=(*ACTIONS[1:], "NONSENSE")), indirect=True
)
def test_text_that_is_masked_for_logs_is_nowhere(one: Seen) -> None:
    """Also if the hook that masks it raises or answers nonsense; the client has its answer."""
    assert one.status == httpx.codes.OK
    assert [text for text in (one.given, MADE) if text in one.text] == []


@pytest.mark.parametrize(
    "one", names(mode=("logging_only",), action=("MASK",), kind=("chat",)), indirect=True
)
def test_what_the_logging_hook_answers_is_recorded(one: Seen) -> None:
    """In each span of the request."""
    spans = one.trace.data.spans
    assert [span for span in spans if "MASKED" not in str(span.inputs)] == []


@pytest.mark.parametrize("one", [case.name for case in SWITCHED], indirect=True)
def test_switch_hides_content_and_keeps_tokens(one: Seen) -> None:
    """Of the body, a header, or the key's own settings."""
    assert [text for text in (one.given, MADE) if text in one.text] == []
    assert one.status == httpx.codes.OK
    assert one.trace.info.token_usage["total_tokens"] > 0


def test_request_is_answered_as_its_guardrail_says(seen: dict[str, Seen]) -> None:
    """A block is a 400, also where the trace has no content."""
    blocked = [seen[name] for name in names(mode=("pre_call",), action=("BLOCK",))]
    assert {one.status for one in blocked} == {400}
    assert {root(one.trace).status.description for one in blocked} != {""}
