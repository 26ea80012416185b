"""Without content, a trace has no text of requests and responses, but all counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import skip_hidden_break, user
from mlflow.entities import SpanStatusCode
from traces import exception_event

from mlflow_litellm._instrumentation.decision import tracing as switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callers import Caller
    from mlflow.entities import LiveSpan
    from traces import Traces

WORD = "confidential"
TOOL = {
    "type": "function",
    "function": {"name": "lookup", "description": WORD, "parameters": {"type": "object"}},
}
VARIABLE = "MLFLOW_LITELLM_LOG_CONTENT"


@pytest.fixture(params=["argument", "variable"])
def private(
    request: pytest.FixtureRequest, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> Traces:
    """Switch tracing on, and content off by argument or by variable."""
    if request.param == "variable":
        monkeypatch.setenv(VARIABLE, "false")
        mlflow.litellm.autolog()
    else:
        mlflow.litellm.autolog(log_content=False)
    return traces


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_what_was_said_is_nowhere(stream: bool, private: Traces, caller: Caller) -> None:
    """The prompt, the response, tools and metadata are absent."""
    asked: dict[str, Any] = {
        "tools": [TOOL],
        "stop": [f"{WORD} stop"],
        "response_format": {"type": "text"},
        "metadata": {
            "note": WORD,
            "deployment": WORD,
            "trace_name": WORD,
            "trace_metadata": {"patient": WORD},
            "tags": ["team:red"],
            "session_id": "s-1",
        },
        "temperature": 0.5,
    }
    if stream:
        caller.stream(WORD, **asked, stream_options={"include_usage": True})
    else:
        caller.complete(WORD, **asked)
    trace = private.one()
    [span] = trace.data.spans
    assert WORD not in trace.to_json()
    assert span.outputs is None
    assert span.inputs == {
        "model": "openai/gpt-4o-mini",
        "temperature": 0.5,
        **({"stream": True} if stream else {}),
    }
    assert span.status.status_code == SpanStatusCode.OK
    for name in ("chat.tokenUsage", "llm.cost", "llm.model", "llm.provider"):
        assert f"mlflow.{name}" in span.attributes
    assert span.attributes["finish_reasons"] == ["stop"]
    # The user passed these two for the trace.
    assert trace.info.tags["team"] == "red"
    assert trace.info.trace_metadata["mlflow.trace.session"] == "s-1"


def test_arguments_of_tools_are_nowhere(private: Traces, caller: Caller) -> None:
    """The arguments and the names of tools are absent."""
    caller.complete("/tools 2")
    text = private.one().to_json()
    assert "Paris" not in text
    assert "get_weather" not in text


def test_failed_call_tells_the_kind_of_its_error_alone(private: Traces, caller: Caller) -> None:
    """Only the error's type is recorded: its text and its stack trace may quote the prompt."""
    with pytest.raises(Exception, match=WORD):
        caller.complete(f"/error 400 {WORD}")
    trace = private.one()
    [span] = trace.data.spans
    assert WORD not in trace.to_json()
    assert exception_event(span) == {"exception.type": "BadRequestError"}
    assert span.status.status_code == SpanStatusCode.ERROR
    assert span.status.description == "BadRequestError"


def test_broken_stream_tells_no_part_of_it(private: Traces, caller: Caller) -> None:
    """The chunks before the break are content, and are not recorded."""
    skip_hidden_break(caller)
    with pytest.raises(Exception, match="litellm"):
        caller.stream(f"/break 2 | {WORD} {WORD} {WORD} {WORD}")
    trace = private.one()
    assert WORD not in trace.to_json()
    assert trace.data.spans[0].attributes["stream_end"] == "failed"


@pytest.mark.parametrize(
    ("variable", "argument", "logged"),
    [
        (None, None, True),
        ("true", None, True),
        ("FALSE", None, False),
        ("0", None, False),
        ("no", None, False),
        ("Off", None, False),
        ("flase", None, False),
        ("", None, True),
        ("yes", None, True),
        ("ON", None, True),
        (" 1 ", None, True),
        ("false", True, True),
        ("true", False, False),
    ],
)
def test_argument_counts_before_the_variable(
    variable: str | None,
    argument: bool | None,
    logged: bool,
    traces: Traces,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The argument wins over the variable; without either, content is recorded."""
    monkeypatch.delenv(VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    mlflow.litellm.autolog(log_content=argument)
    caller.complete(WORD)
    assert (WORD in traces.one().to_json()) is logged


def test_word_that_is_not_understood_is_told(
    traces: Traces, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning says that the word counts as false, so content is not recorded."""
    monkeypatch.setenv(VARIABLE, "flase")
    mlflow.litellm.autolog()
    assert f"{VARIABLE}='flase' is neither true nor false, and is taken for false" in caplog.text


@pytest.mark.parametrize("name", ["log_traces", "disable", "silent", "log_content"])
def test_argument_of_another_type_is_refused(name: str, traces: Traces) -> None:
    """Python treats the text "false" as true, so the argument must be a bool."""
    with pytest.raises(TypeError, match=f"{name} must be True or False"):
        mlflow.litellm.autolog(**{name: "false"})
    assert not switch.is_enabled()


def test_switching_on_again_does_not_undo_it(traces: Traces, caller: Caller) -> None:
    """``mlflow.autolog()`` switches all flavors on, and does not change the content setting."""
    mlflow.litellm.autolog(log_content=False)
    mlflow.autolog(exclude_flavors=["openai"])
    mlflow.litellm.autolog()
    caller.complete(WORD)
    mlflow.litellm.autolog(disable=True)
    mlflow.litellm.autolog()
    caller.complete(WORD)
    first, second = traces.calls()
    assert "messages" not in first.inputs
    assert second.inputs["messages"] == user(WORD)
    mlflow.autolog(disable=True)


def test_switching_back_records_content_again(private: Traces, caller: Caller) -> None:
    """Content is recorded from the next call on."""
    caller.complete(WORD)
    mlflow.litellm.autolog(log_content=True)
    caller.complete(WORD)
    first, second = private.calls()
    assert "messages" not in first.inputs
    assert second.inputs["messages"] == user(WORD)


@pytest.fixture
def masking(tracing: Traces) -> Iterator[Traces]:
    """Make one of MLflow's span processors mask inputs and outputs."""

    def mask(span: LiveSpan) -> None:
        span.set_inputs({"masked": True})
        span.set_outputs({"masked": True})

    mlflow.tracing.configure(span_processors=[mask])
    yield tracing
    mlflow.tracing.configure(span_processors=[])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_span_processor_can_mask_all(stream: bool, masking: Traces, caller: Caller) -> None:
    """Content is only in inputs and outputs, and MLflow makes the preview of the masked ones."""
    if stream:
        caller.stream(WORD)
    else:
        caller.complete(WORD)
    trace = masking.one()
    assert WORD not in trace.to_json()
    assert trace.data.spans[0].inputs == {"masked": True}
    assert "mlflow.chat.tokenUsage" in trace.data.spans[0].attributes or stream


def test_litellms_own_switch_leaves_content_out(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteLLM's switch that keeps content out of its logs keeps content out of traces."""
    monkeypatch.setattr(litellm, "turn_off_message_logging", True)
    caller.complete(f"/say | {WORD}")
    assert WORD not in str(tracing.one().to_dict())


def test_asking_for_content_outdoes_litellms_switch(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An explicit ``log_content=True`` wins over LiteLLM's switch."""
    monkeypatch.setattr(litellm, "turn_off_message_logging", True)
    mlflow.litellm.autolog(log_content=True)
    caller.complete(f"/say | {WORD}")
    assert WORD in str(tracing.one().to_dict())
