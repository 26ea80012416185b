"""LiteLLM's switches that hide a call from its logs also hide the call's content from the trace."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, AsyncCaller, user
from litellm.litellm_core_utils import redact_messages
from mlflow.entities import SpanStatusCode

from mlflow_litellm._payloads import message_logging
from mlflow_litellm._tracing import privacy
from mlflow_litellm._tracing.privacy import Content

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

WORD = "confidential"
TURN_OFF = {"turn_off_message_logging": True}
ENABLE = {"x-litellm-enable-message-redaction": "true"}
DISABLE = {"litellm-disable-message-redaction": "true"}
NO_LOG = {"no-log": True}
# Ways to disable the message logging of one call.
HIDING: dict[str, dict[str, Any]] = {
    "argument": TURN_OFF,
    "text": {"turn_off_message_logging": "true"},
    "another-word": {"turn_off_message_logging": "on"},
    "metadata": {"metadata": {**TURN_OFF, "note": WORD, "trace_name": WORD}},
    "litellm-metadata": {"litellm_metadata": TURN_OFF},
    "both-metadata": {"metadata": TURN_OFF, "litellm_metadata": {"a": "b"}},
    "header": {"metadata": {"headers": ENABLE}},
    "old-header": {"metadata": {"headers": {"litellm-enable-message-redaction": "true"}}},
    "header-in-litellm-metadata": {"litellm_metadata": {"headers": ENABLE}},
    "no-log": NO_LOG,
}
# Ways to enable the message logging of one call, while LiteLLM's global switch disables it.
SHOWING: dict[str, dict[str, Any]] = {
    "argument": {"turn_off_message_logging": False},
    "text": {"turn_off_message_logging": "false"},
    "header": {"metadata": {"headers": DISABLE}},
    "header-against-argument": {**TURN_OFF, "metadata": {"headers": DISABLE}},
}
EXCLUDED = "standard_logging_payload_excluded_fields"
FEW = ["argument", "metadata", "no-log"]


@pytest.fixture(params=HIDING)
def switch(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return arguments that hide a call. They are new for each test, as LiteLLM changes them."""
    return deepcopy(HIDING[request.param])


def text_of(traces: Traces) -> str:
    """Return the whole text of the traces."""
    return str([trace.to_dict() for trace in traces.all()])


def routed(provider: Any, caller: Caller, *deployments: dict[str, Any], **asked: Any) -> Any:
    """Call a Router whose deployments have these parameters in addition to address and key."""
    known = {"model": MODEL, "api_base": provider.openai_base, "api_key": "sk-a"}
    models = [
        {"model_name": f"m{n}", "litellm_params": {**known, **each}}
        for n, each in enumerate(deployments or ({},))
    ]
    fallbacks = [{f"m{n}": [f"m{n + 1}"]} for n in range(len(models) - 1)]
    router = litellm.Router(models, num_retries=0, fallbacks=fallbacks)
    asked = {"model": "m0", "messages": user(f"/say | {WORD}"), **asked}
    if not isinstance(caller, AsyncCaller):
        return router.completion(**asked)
    return caller.run(lambda: router.acompletion(**asked))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_content_is_nowhere_and_tokens_stay(
    switch: dict[str, Any], stream: bool, tracing: Traces, caller: Caller
) -> None:
    """Content is not recorded but tokens are, also if content was requested explicitly."""
    mlflow.litellm.autolog(log_content=True)
    if stream:
        caller.stream(f"/say | {WORD}", **switch, stream_options={"include_usage": True})
    else:
        caller.complete(f"/say | {WORD}", **switch)
    assert WORD not in text_of(tracing)
    span = tracing.span()
    assert span.status.status_code == SpanStatusCode.OK
    assert span.attributes["mlflow.chat.tokenUsage"]["total_tokens"] > 0
    assert "mlflow.llm.cost" in span.attributes


@pytest.mark.parametrize("switch", FEW, indirect=True)
def test_failing_call_tells_the_type_of_its_error_alone(
    switch: dict[str, Any], tracing: Traces, caller: Caller
) -> None:
    """Only the error's type is recorded, as the exception's text contains the prompt."""
    with pytest.raises(litellm.BadRequestError, match=WORD):
        caller.complete(f"/error 400 {WORD}", **switch)
    assert WORD not in text_of(tracing)
    assert tracing.span().status.description == "BadRequestError"


@pytest.mark.parametrize("switch", FEW, indirect=True)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_call_through_router_is_hidden_in_both_spans(
    switch: dict[str, Any], stream: bool, tracing: Traces, caller: Caller
) -> None:
    """Content is hidden in Router's span too, which has the same messages as the attempt."""
    result = routed(caller.provider, caller, **switch, stream=stream)
    if stream:
        caller.read(result)
    assert len(tracing.calls()) == 2
    assert WORD not in text_of(tracing)


@pytest.mark.parametrize("switch", ["argument", "no-log"], indirect=True)
@pytest.mark.parametrize("fails", [False, True], ids=["answered", "failing"])
def test_switch_of_a_deployment_hides_routers_span(
    switch: dict[str, Any], fails: bool, tracing: Traces, caller: Caller
) -> None:
    """A deployment's switch hides Router's span, although Router picks it after the span began."""
    text = f"/error 400 {WORD}" if fails else f"/say | {WORD}"
    told = {"note": WORD, "trace_name": WORD}
    with suppress(litellm.BadRequestError):
        routed(caller.provider, caller, switch, messages=user(text), metadata=told)
    assert len(tracing.calls()) == 2
    assert WORD not in text_of(tracing)


def test_switch_among_routers_defaults_hides_all_its_calls(tracing: Traces, caller: Caller) -> None:
    """A switch in `Router(default_litellm_params=...)` hides all calls of the Router."""
    known = {"model": MODEL, "api_base": caller.provider.openai_base, "api_key": "sk-a"}
    models = [{"model_name": "m", "litellm_params": known}]
    litellm.Router(models, default_litellm_params=dict(TURN_OFF)).completion("m", user(WORD))
    assert WORD not in text_of(tracing)


def test_hidden_fallback_hides_routers_span(tracing: Traces, caller: Caller) -> None:
    """A hidden fallback hides Router's span. The attempt before it is recorded."""
    bad = {"mock_response": "litellm.RateLimitError"}
    routed(caller.provider, caller, bad, TURN_OFF)
    router, *_, last = tracing.calls()
    assert (router.outputs, last.outputs) == (None, None)
    assert WORD not in str(router.to_dict())
    assert WORD not in str(last.to_dict())


def test_no_log_leaves_neither_tags_nor_user(tracing: Traces, caller: Caller) -> None:
    """`no-log` also hides tags and the user, as LiteLLM's logs omit the whole call."""
    told = {"tags": [f"a:{WORD}"], "session_id": WORD, "trace_user_id": WORD}
    caller.complete("/say | hello", **NO_LOG, metadata=told)
    routed(caller.provider, caller, NO_LOG, metadata=told)
    assert len(tracing.all()) == 2
    assert WORD not in text_of(tracing)


def test_no_log_is_ignored_where_the_operator_says_so(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`no-log` is ignored if LiteLLM's ``global_disable_no_log_param`` is set."""
    monkeypatch.setattr(litellm, "global_disable_no_log_param", True)
    caller.complete(WORD, **NO_LOG)
    assert WORD in text_of(tracing)


@pytest.mark.parametrize("switch", SHOWING.values(), ids=SHOWING)
def test_call_may_be_shown_against_the_global_switch(
    switch: dict[str, Any], tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call's switch can override LiteLLM's global switch, in LiteLLM's order of precedence."""
    monkeypatch.setattr(litellm, "turn_off_message_logging", True)
    if len(switch) > 1:
        pytest.importorskip("litellm.litellm_core_utils.internal_call_metadata")
    caller.complete(WORD, **deepcopy(switch))
    assert WORD in text_of(tracing)


@pytest.mark.parametrize("switch", SHOWING.values(), ids=SHOWING)
def test_no_switch_of_a_call_shows_what_our_own_hides(
    switch: dict[str, Any], tracing: Traces, caller: Caller
) -> None:
    """``log_content=False`` has precedence over all switches of a call."""
    mlflow.litellm.autolog(log_content=False)
    caller.complete(WORD, **deepcopy(switch))
    assert WORD not in text_of(tracing)


def test_next_call_is_recorded_as_ever(tracing: Traces, caller: Caller) -> None:
    """A switch of one call does not affect the next call."""
    caller.complete("hidden", **TURN_OFF)
    caller.complete(WORD)
    first, second = tracing.calls()
    assert "messages" not in first.inputs
    assert second.inputs["messages"] == user(WORD)


@pytest.mark.parametrize("metadata", [{"headers": ["x"]}, {"headers": "x"}], ids=str)
def test_switches_that_cannot_be_read_hide_the_call(
    metadata: Any, tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the switches cannot be read, the call is made and recorded without content."""
    monkeypatch.delenv("MLFLOW_AUTOLOGGING_TESTING")
    with suppress(Exception):
        caller.complete(f"/say | {WORD}", metadata=metadata)
    assert WORD not in text_of(tracing)
    assert tracing.calls()


@pytest.mark.parametrize("is_global", [False, True], ids=["on", "off"])
@pytest.mark.parametrize("switch", [{}, *HIDING.values(), *SHOWING.values()], ids=str)
def test_rule_of_our_own_says_what_litellms_does(
    switch: dict[str, Any], is_global: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This package's copy of the rule, used if LiteLLM's has moved, gives the same results."""
    monkeypatch.setattr(litellm, "turn_off_message_logging", is_global)
    pytest.importorskip("litellm.litellm_core_utils.internal_call_metadata")
    theirs = message_logging.is_redacted(switch, obeys_global=True)
    monkeypatch.delattr(redact_messages, "should_redact_message_logging")
    assert message_logging.is_redacted(switch, obeys_global=True) is theirs


def test_tokens_of_a_masker_are_not_recorded(tracing: Traces, caller: Caller) -> None:
    """The tokens of a masker are not recorded, as they reverse the masking of the messages."""
    caller.complete("/say | hello", metadata={"pii_tokens": {"<EMAIL_1>": WORD}, "note": "kept"})
    assert WORD not in text_of(tracing)
    assert tracing.span().attributes["metadata"] == {"note": "kept"}


@pytest.mark.parametrize("hides", [False, True])
def test_user_of_a_key_is_hidden_as_litellm_hides_it(
    hides: bool, tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``redact_user_api_key_info`` hides the user of a proxy key from the trace."""
    monkeypatch.setattr(litellm, "redact_user_api_key_info", hides)
    caller.complete("/say | hello", metadata={"user_api_key_end_user_id": WORD})
    assert (WORD in text_of(tracing)) is not hides


@pytest.mark.parametrize(
    ("fields", "place"), [(["messages"], "inputs"), (["response"], "outputs")], ids=str
)
def test_field_that_callbacks_do_not_get_is_not_recorded(
    fields: list[str],
    place: str,
    tracing: Traces,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``standard_logging_payload_excluded_fields`` hides the field, and the rest is recorded."""
    monkeypatch.setattr(litellm, EXCLUDED, fields)
    caller.complete(f"/say | {WORD}")
    span = tracing.span()
    shown = [name for name in ("inputs", "outputs") if WORD in str(getattr(span, name))]
    assert shown == [name for name in ("inputs", "outputs") if name != place]


@pytest.mark.parametrize("field", ["end_user", "error_str", "metadata", "request_tags"])
def test_what_else_callbacks_do_not_get_is_nowhere(
    field: str, tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excluded fields are absent from tags, user, metadata and the text of an error."""
    monkeypatch.setattr(litellm, EXCLUDED, [field])
    asked: dict[str, dict[str, Any]] = {
        "end_user": {"user": WORD},
        "metadata": {"metadata": {"note": WORD, "trace_name": WORD}},
        "request_tags": {"metadata": {"tags": [WORD]}},
    }
    with suppress(litellm.BadRequestError):
        caller.complete(
            f"/error 400 {WORD if field == 'error_str' else ''}", **asked.get(field, {})
        )
    span = tracing.span()
    told = [span.attributes.get("metadata"), span.status.description, span.events]
    info = tracing.all()[0].info
    assert WORD not in str([told, info.tags, info.trace_metadata.get("mlflow.trace.user")])


def test_messages_that_litellm_adds_to_exceptions_are_not_recorded(
    tracing: Traces, caller: Caller
) -> None:
    """Messages in exceptions are not recorded, regardless of ``redact_messages_in_exceptions``."""
    messages = [*user(f"{WORD} before"), *user("/error 400 boom")]
    base = caller.provider.openai_base
    with pytest.raises(litellm.BadRequestError):
        litellm.completion(MODEL, messages, api_base=base, api_key="sk-a")
    span = tracing.span()
    assert "boom" in span.status.description
    assert WORD not in str([span.status.description, span.events])


def test_litellm_has_the_rule_where_it_is_looked_for() -> None:
    """LiteLLM's rule is at its expected place. If not, check this package's copy for changes."""
    assert message_logging._function(*message_logging._RULE) is not None


def test_switches_that_litellms_proxy_noted_count() -> None:
    """Switches from a proxy key or team apply, which LiteLLM Proxy puts on its logging object."""
    noted = SimpleNamespace(standard_callback_dynamic_params=TURN_OFF)
    privacy.content_switch.choose(None)
    assert privacy.allowed({}) == Content.FULL
    assert privacy.allowed({"litellm_logging_obj": noted}) == Content.REDACTED
