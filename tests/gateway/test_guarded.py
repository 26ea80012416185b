"""Content that LiteLLM hides from its callbacks, by a callback's payloads, is in no span."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
from collectors import over_http
from gateways import TRACING_S, Gateway, Spans, root
from guarded_cases import (
    ACTIONS,
    BROKEN,
    CASES,
    HIDDEN,
    LOGS,
    PASSED,
    PRESIDIO,
    RAW,
    SHOWN,
    Case,
    Seen,
    ask,
    configurations,
)
from mlflow.entities import TraceState
from presidio_server import presidio
from processes import running, until

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Trace
    from processes import Provider, TrackingServer

# The first test waits for all requests.
pytestmark = pytest.mark.timeout(400)

MADE = "served from the prompt cache"
RAW_ANSWERS = {"silent": {"MLFLOW_LITELLM_LOG_RAW_ANSWERS": "true"}}


class Guarded(NamedTuple):
    """A proxy of the tests, the file of LiteLLM's logs, and the reader of its traces."""

    gateway: Gateway
    folder: Path
    traces: Spans

    def payloads(self) -> list[Any]:
        """Return call id and payload of each call that LiteLLM has logged."""
        return [json.loads(line) for line in (self.folder / "payloads.jsonl").open()]


class Seens(NamedTuple):
    """The results of each case, and the spans that an OTLP collector received."""

    cases: dict[str, Seen]
    exported: str


@pytest.fixture(scope="module")
def seens(
    tmp_path_factory: pytest.TempPathFactory, vendor: Provider, tracking: TrackingServer
) -> Seens:
    """Make all requests, stop the proxies, and return the results."""
    with over_http() as collector, presidio() as presidio_url, ExitStack() as stack:
        environment = {
            **vendor.environment,
            "MLFLOW_TRACKING_URI": tracking.uri,
            "MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT": "true",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.endpoint,
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": collector.protocol,
        }
        gateways = {}
        for name, config in configurations(presidio_url).items():
            folder, experiment = tmp_path_factory.mktemp(name), f"{name}-{uuid4().hex}"
            told = {
                **environment,
                "MLFLOW_EXPERIMENT_NAME": experiment,
                **RAW_ANSWERS.get(name, {}),
            }
            gateway = stack.enter_context(running(Gateway(folder, config, told)))
            gateways[name] = Guarded(gateway, folder, Spans(tracking.uri, experiment))
        ids = {name: (given(case), str(uuid4())) for name, case in CASES.items()}
        answers = asked(gateways, ids)
        for each in gateways.values():
            each.gateway.end()
        stack.close()
        exported = "\n".join(map(str, collector.spans))
    return Seens(seen_of(gateways, ids, answers), exported)


def asked(
    gateways: dict[str, Guarded], ids: dict[str, tuple[str, str]]
) -> dict[str, httpx.Response]:
    """Make all requests, eight at a time, wait for their traces, and return the responses."""
    for each in gateways.values():
        each.gateway.wait()

    def answer(name: str) -> httpx.Response:
        case = CASES[name]
        return ask(case, *ids[name], gateways[case.gateway].gateway.url)

    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(CASES, pool.map(answer, CASES), strict=True))
    until(lambda: sum(map(ended, gateways.values())) == len(CASES), TRACING_S, "traces", every=1)
    return answers


def ended(guarded: Guarded) -> int:
    """Return the number of a proxy's ended traces."""
    # Without spans: the store is read often, and has many spans.
    traces = guarded.traces.all(include_spans=False)
    return sum(trace.info.state != TraceState.IN_PROGRESS for trace in traces)


def seen_of(
    gateways: dict[str, Guarded],
    ids: dict[str, tuple[str, str]],
    answers: dict[str, httpx.Response],
) -> dict[str, Seen]:
    """Return the results of each request, after its proxy has stopped."""
    payloads = [found for each in gateways.values() for found in each.payloads()]
    traces = {
        root(trace).attributes["litellm_call_id"]: trace
        for each in gateways.values()
        for trace in each.traces.all()
    }
    found = {}
    for name, (text, call_id) in ids.items():
        # LiteLLM makes the id of a passed-through request.
        known = answers[name].headers.get("x-litellm-call-id", call_id)
        found[name] = seen(text, answers[name], traces[known], payloads, known)
    return found


def given(case: Case) -> str:
    """Return the text of a request that is to be masked."""
    return f"given-{uuid4().hex}" + ("@example.com" if case.mode == "presidio" else "")


def seen(
    text: str, answer: httpx.Response, trace: Trace, payloads: list[Any], call_id: str
) -> Seen:
    """Return the results of a request."""
    logged = json.dumps([payload for known, payload in payloads if known == call_id])
    return Seen(text, answer.status_code, answer.text, trace, json.dumps(trace.to_dict()), logged)


@pytest.fixture
def one(request: pytest.FixtureRequest, seens: Seens) -> Seen:
    """Return the results of a case."""
    return seens.cases[request.param]


def names(**wanted: Any) -> list[str]:
    """Return the names of the cases with these fields."""
    return [
        name
        for name, case in CASES.items()
        if all(getattr(case, key) in value for key, value in wanted.items())
    ]


def of(cases: list[Case]) -> list[str]:
    """Return the names of cases."""
    return [case.name for case in cases]


def shown(one: Seen) -> list[str]:
    """Return the texts of a request that its trace contains."""
    return [text for text in (one.given, MADE) if text in one.text]


@pytest.mark.parametrize("one", [name for name in CASES if name not in of(RAW)], indirect=True)
def test_text_that_the_payload_lacks_is_in_no_span(one: Seen) -> None:
    """Text that the payload lacks is in no input, output, exception, tag or preview."""
    assert [text for text in shown(one) if text not in one.payloads] == []


def test_text_that_no_trace_holds_is_not_exported(seens: Seens) -> None:
    """An OTLP collector gets no text that MLflow's server does not get."""
    hidden_params = [one.given for one in seens.cases.values() if one.given not in one.text]
    assert [text for text in hidden_params if text in seens.exported] == []
    assert len(hidden_params) < len(seens.cases)
    shown = [one.given for one in seens.cases.values() if one.given in one.text]
    assert [text for text in shown if text not in seens.exported] == []


PASSING = names(
    gateway=("guarded", "logged"),
    action=("ALLOW",),
    mode=("pre_call", "during_call", "post_call", *LOGS),
)


@pytest.mark.parametrize("one", [*PASSING, *of(SHOWN)], indirect=True)
def test_what_a_guardrail_lets_pass_is_recorded(one: Seen) -> None:
    """The trace has all content that the guardrail lets pass."""
    assert shown(one) == [one.given, MADE]


@pytest.mark.parametrize("one", of(PASSED), indirect=True)
def test_request_that_is_passed_through_is_recorded(one: Seen) -> None:
    """LiteLLM logs a passed-through request under its own id, and a stream in its pieces."""
    assert shown(one)[:1] == [one.given]
    assert (MADE in one.text) == ("data:" not in one.answer)


@pytest.mark.parametrize("one", names(mode=("pre_call",), action=ACTIONS[1:]), indirect=True)
def test_text_that_is_masked_or_stopped_before_the_call_is_nowhere(one: Seen) -> None:
    """Text that is masked or stopped before the call is not in the exception's text either."""
    assert one.given not in one.text


STOPPED = names(gateway=("guarded",), mode=("post_call",), action=ACTIONS[1:])


@pytest.mark.parametrize("one", STOPPED, indirect=True)
def test_answer_that_the_client_may_not_see_is_nowhere(one: Seen) -> None:
    """A response that is hidden from the client is in no span, though the attempt received it."""
    assert MADE not in one.text


@pytest.mark.parametrize("one", [*names(mode=LOGS, action=ACTIONS[1:]), *of(BROKEN)], indirect=True)
def test_text_that_is_masked_for_logs_is_nowhere(one: Seen) -> None:
    """No span has the masked text, also if the hook fails; the client gets its response."""
    assert one.status == httpx.codes.OK
    assert "prompt" in one.answer
    assert shown(one) == []


@pytest.mark.parametrize("one", names(mode=LOGS, action=("MASK",), kind=("chat",)), indirect=True)
def test_what_the_logging_hook_answers_is_recorded(one: Seen) -> None:
    """Each span of the request has the result of the logging hook."""
    calls = [span for span in one.trace.data.spans if span.span_type != "GUARDRAIL"]
    assert [span for span in calls if "MASKED" not in str(span.inputs)] == []


@pytest.mark.parametrize("one", of(HIDDEN), indirect=True)
def test_switch_hides_content_and_keeps_tokens(one: Seen) -> None:
    """Body, header, key, team and operator can hide content; tokens are still recorded."""
    assert shown(one) == []
    assert one.status == httpx.codes.OK
    assert one.trace.info.token_usage["total_tokens"] > 0


@pytest.mark.parametrize("one", of(RAW), indirect=True)
def test_providers_answer_is_kept_if_the_operator_wants_it(one: Seen) -> None:
    """The calls keep the provider's response; the root, with the client's response, does not."""
    assert MADE not in str(root(one.trace).outputs)
    attempts = [span for span in one.trace.data.spans if span.span_type == "LLM"]
    assert [span.name for span in attempts if MADE not in str(span.outputs)] == []


@pytest.mark.parametrize("one", of(PRESIDIO), indirect=True)
def test_what_undoes_a_mask_is_nowhere(one: Seen) -> None:
    """LiteLLM keeps the original of a mask in the request's metadata; no span has it."""
    assert "pii_tokens" not in one.text


@pytest.mark.parametrize("one", names(gateway=("masked",)), indirect=True)
def test_address_that_presidio_masks_is_nowhere(one: Seen) -> None:
    """No span has the address; inputs and outputs have its mask."""
    assert one.given not in one.text
    assert "<EMAIL_ADDRESS_1> it is" in str(root(one.trace).inputs)
    assert "<EMAIL_ADDRESS_1> it is" in str(root(one.trace).outputs)


@pytest.mark.parametrize("one", names(gateway=("masked",), stream=(False,)), indirect=True)
def test_client_gets_the_address_that_presidio_masked(one: Seen) -> None:
    """LiteLLM restores the address for the client; in streams only if one chunk contains it."""
    assert one.given in one.answer


@pytest.mark.parametrize(
    "one", names(gateway=("logged",), mode=("presidio",), kind=("chat",)), indirect=True
)
def test_address_that_presidio_masks_for_logs_is_nowhere(one: Seen) -> None:
    """LiteLLM's hook masks for logs only in chats."""
    assert one.given not in one.text
    assert one.given in one.answer


def test_request_is_answered_as_its_guardrail_says(seens: Seens) -> None:
    """A blocked request gets a 400, also if its trace has no content."""
    blocked = [seens.cases[name] for name in names(mode=("pre_call",), action=("BLOCK",))]
    assert {one.status for one in blocked} == {400}
    assert {root(one.trace).status.description for one in blocked} != {""}
