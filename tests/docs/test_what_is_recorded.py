"""The page *What is recorded* lists each recorded attribute, and no other."""

from __future__ import annotations

import contextvars
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from attribute_types import MLFLOWS, TYPES
from callers import MODEL, SyncCaller, user
from exchanges import EXCHANGES
from opentelemetry import trace
from services import EMBEDDING, MODERATION, OCR, TRANSCRIPTION

from mlflow_litellm._common.attributes import ANY
from mlflow_litellm._common.attributes import ATTRIBUTES as TABLE
from mlflow_litellm._instrumentation.targets import TARGETS
from mlflow_litellm._payloads.kinds.table import CHAT
from mlflow_litellm._tracing import mlflow_compat

if TYPE_CHECKING:
    from provider import LoopbackProvider
    from traces import Traces

PAGE = (Path(__file__).parents[2] / "docs" / "what-is-recorded.md").read_text()
# Attributes of any span of MLflow, which the page lists in another section.
GENERAL = {row.name for row in TABLE.values() if row.spans == ANY}
AUDIO = {"audio_tokens": 5}


def section(title: str) -> str:
    """Return a section of the page, with its subsections."""
    level = title.split(" ", maxsplit=1)[0]
    [text] = re.findall(
        rf"^{title}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    return text


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of a table's rows, by the name in the first cell."""
    lines = re.findall(r"^\| `([^`]+)` \|(.*)\|$", text, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in lines}


ATTRIBUTES = rows(section("## Attributes"))


@pytest.fixture(scope="module")
def seen() -> dict[str, list[Any]]:
    """Return a dict for the values of each attribute over all calls of this module."""
    return {}


def calls(provider: LoopbackProvider) -> None:
    """Make calls that together have every attribute."""
    caller = SyncCaller(provider)
    for exchange in EXCHANGES:
        exchange.complete(caller)
        exchange.stream(caller)
    said = {"metadata": {"session_id": "s", "note": "n"}, "user": "u"}
    caller.stream("/reason | so be it", **said, stream_options={"include_usage": True})
    with pytest.raises(litellm.RateLimitError):
        caller.complete("/error 429")
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    details = {"prompt_tokens_details": AUDIO, "completion_tokens_details": AUDIO}
    litellm.completion(MODEL, user("hi"), mock_response=answer({**usage, **details}))
    through_router(caller)
    with mlflow.start_span("parent"):
        context = contextvars.copy_context()
    mlflow.flush_trace_async_logging()
    context.run(caller.complete, "after its parent")
    below_an_unknown_span(caller)
    for service in (EMBEDDING, MODERATION, TRANSCRIPTION, OCR):
        service.call(caller)


def answer(usage: dict[str, Any]) -> litellm.ModelResponse:
    """Return a response with this usage."""
    message = {"role": "assistant", "content": "hello"}
    return litellm.ModelResponse(model=MODEL, choices=[{"message": message}], usage=usage)


def below_an_unknown_span(caller: SyncCaller) -> None:
    """Make a call below an OpenTelemetry span without a trace in MLflow."""
    sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    context = trace.SpanContext(1, 1, is_remote=True, trace_flags=sampled)
    api = mlflow_compat.CONTEXT_API.find()()
    token = api.attach(trace.set_span_in_context(trace.NonRecordingSpan(context)))
    caller.complete("below an unknown span")
    api.detach(token)


def through_router(caller: SyncCaller) -> None:
    """Make a call whose first deployment fails, and which falls back to another."""
    arguments = caller.arguments("")
    del arguments["messages"]
    models = [
        {"model_name": name, "litellm_params": arguments, "model_info": {"id": f"{name}-1"}}
        for name in ("first", "second")
    ]
    router = litellm.Router(
        model_list=models, fallbacks=[{"first": ["second"]}], num_retries=0, cooldown_time=0
    )
    router.completion("first", user("/flaky 1 documented"))


@pytest.fixture
def attributes(
    seen: dict[str, list[Any]], provider: LoopbackProvider, tracing: Traces
) -> dict[str, list[Any]]:
    """Return the values of each attribute that calls of every kind have."""
    if not seen:
        calls(provider)
        for span in tracing.calls():
            for name, value in span.attributes.items():
                seen.setdefault(name, []).append(value)
    return seen


def test_every_attribute_is_on_the_page(attributes: dict[str, list[Any]]) -> None:
    """Every recorded attribute is on the page."""
    assert attributes.keys() - MLFLOWS - GENERAL - ATTRIBUTES.keys() == set()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_line_of_the_page_is_recorded(name: str, attributes: dict[str, list[Any]]) -> None:
    """Every documented attribute is recorded with its documented type."""
    values = attributes[name]
    kind = TYPES[ATTRIBUTES[name][0]]
    assert all(isinstance(value, kind) for value in values)
    assert kind == (bool,) or not any(value is None for value in values)


@pytest.mark.parametrize("name", [name for name, row in ATTRIBUTES.items() if row[3] == "never"])
def test_what_is_never_absent_is_always_there(name: str, attributes: dict[str, list[Any]]) -> None:
    """Every unconditional attribute is in every span, or in every stream if it is a stream's."""
    of = "stream_end" if name in rows(section("### Streams have as well")) else "model"
    assert len(attributes[name]) == len(attributes[of]) > 0


def test_page_lists_the_parameters_that_are_recorded() -> None:
    """The page lists exactly the recorded parameters."""
    listed = section("## Inputs").split("| given |")[0].partition("allowlist.")[2]
    assert set(re.findall(r"`(\w+)`", listed)) == CHAT.recorded


def test_page_lists_the_parameters_of_other_calls() -> None:
    """The page has one line for the parameters of each other kind of call."""
    kinds = {target.name: target.kind for target in TARGETS if not target.is_composite}
    lines = re.findall(r"^\| (`[^|]+) \| (`[^|]+) \|$", section("### Of other calls"), re.MULTILINE)
    listed = {
        kinds[name].name: set(re.findall(r"`(\w+)`", parameters))
        for names, parameters in lines
        for name in re.findall(r"`([\w.]+)`", names)
    }
    recorded = {kind.name: set(kind.recorded) for kind in kinds.values()}
    assert {**listed, CHAT.name: set(CHAT.recorded)} == recorded
