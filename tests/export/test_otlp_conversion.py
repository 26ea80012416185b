"""MLflow's conversion to the GenAI conventions gets adapted spans of this package only."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from mlflow.entities import SpanType
from mlflow.tracing.export.genai_semconv import translator
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from mlflow_litellm._instrumentation.targets import TARGETS
from mlflow_litellm._payloads.kinds.table import (
    ANTHROPIC_MESSAGES,
    CHAT,
    GENERATE_CONTENT,
    INTERACTIONS,
    RESPONSES,
    TEXT_COMPLETION,
)
from mlflow_litellm._tracing import mlflow_compat, semconv, semconv_messages

if TYPE_CHECKING:
    from mlflow_litellm._instrumentation.target import Target

KINDS = {
    CHAT: "chat",
    GENERATE_CONTENT: "generate_content",
    INTERACTIONS: "chat",
    ANTHROPIC_MESSAGES: "chat",
    RESPONSES: "chat",
    TEXT_COMPLETION: "text_completion",
}


def converted(name: str = "litellm-completion", **attributes: Any) -> ReadableSpan:
    """Convert a span as MLflow does when the span ends."""
    known = {"mlflow.spanType": SpanType.LLM, "model": "openai/gpt", **attributes}
    told = {key: json.dumps(value) for key, value in known.items()}
    return translator.translate_span_to_genai(ReadableSpan(name, attributes=told))


def test_conversion_has_not_moved() -> None:
    """MLflow's conversion is at its expected place. If it moves, this package cannot adapt it."""
    [patch] = semconv.semconv_patches()
    assert patch.current is not None


def test_without_it_nothing_is_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MLflow's conversion nothing is patched and nothing logged: the version is unknown."""
    monkeypatch.delattr(translator, mlflow_compat.TRANSLATE.attribute)
    assert semconv.semconv_patches() == []


def test_off_is_off(tracing: Any) -> None:
    """When tracing is off, MLflow's own function is restored."""
    patched = translator.translate_span_to_genai
    mlflow.litellm.autolog(disable=True)
    assert translator.translate_span_to_genai is not patched
    assert not hasattr(translator.translate_span_to_genai, "__wrapped__")


def test_spans_of_others_are_left_alone(tracing: Any) -> None:
    """Spans of other code are unchanged, as their attributes may have another meaning."""
    assert converted().attributes["gen_ai.request.model"] == "openai/gpt"
    mine = converted("mine", **{"mlflow.message.format": "openai"}).attributes
    assert "gen_ai.request.model" not in mine
    assert mine["gen_ai.operation.name"] == "generate_content"


def test_fault_leaves_mlflows_own_conversion(
    tracing: Any,
    production: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a fault the span is exported with MLflow's own conversion, with one log line."""
    monkeypatch.setattr(semconv, "convention_attributes", lambda *_: 1 / 0)
    with caplog.at_level(logging.WARNING, "mlflow_litellm"):
        span = converted()
    # MLflow's operation for every span of the type LLM.
    assert span.attributes["gen_ai.operation.name"] == "generate_content"
    assert "GenAI" in caplog.text


@pytest.mark.parametrize("name", ["litellm-Router.atext_completion", "POST /v1/chat/completions"])
@pytest.mark.parametrize("span_type", [SpanType.CHAIN, SpanType.AGENT])
def test_chain_is_no_client_and_keeps_its_operation(
    tracing: Any, span_type: str, name: str
) -> None:
    """A chain is not a client and keeps its operation, as it sends no request to a model itself."""
    told = {"mlflow.spanType": span_type, "mlflow.message.format": "openai", "http.route": "/v1"}
    span = converted(name, **told)
    assert span.kind == SpanKind.INTERNAL
    assert span.attributes["gen_ai.operation.name"] not in {"chat", "text_completion"}


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("litellm-google_genai.agenerate_content", "generate_content"),
        ("litellm-vector_stores.asearch", "retrieval"),
        ("litellm-amoderation", "moderation"),
        ("litellm-atext_completion", "text_completion"),
        ("litellm-anthropic_messages", "chat"),
    ],
)
def test_operation_is_the_functions(tracing: Any, name: str, operation: str) -> None:
    """The operation is the function's, for each of its names."""
    span = converted(name)
    assert span.attributes["gen_ai.operation.name"] == operation
    assert span.kind == SpanKind.CLIENT


@pytest.mark.parametrize(
    "target",
    [target for target in TARGETS if target.kind in KINDS and not target.is_composite],
    ids=str,
)
def test_operation_is_that_of_its_kind(tracing: Any, target: Target) -> None:
    """The operation depends on the target's kind, although all these spans are of the type LLM."""
    span = converted(target.span_name)
    assert span.attributes["gen_ai.operation.name"] == KINDS[target.kind]


@pytest.mark.parametrize(
    ("message_format", "operation"),
    [("anthropic", "chat"), ("openai", "chat"), ("gemini", "generate_content")],
)
def test_operation_of_what_the_proxy_passes_through_is_its_formats(
    tracing: Any, message_format: str, operation: str
) -> None:
    """The operation of a pass-through call is its format's, as its path may name no operation."""
    attributes = {"http.route": "/own/path", "mlflow.message.format": message_format}
    span = converted("POST /own/path", custom_llm_provider="openai", **attributes)
    assert span.name == f"{operation} gpt"
    assert span.attributes["gen_ai.operation.name"] == operation
    assert span.kind == SpanKind.CLIENT


def test_model_that_nobody_answered_by_is_not_told(tracing: Any) -> None:
    """Without a response's model, only the requested model is recorded."""
    asked = {"model": "cohere/rerank", "mlflow.llm.model": "cohere/rerank"}
    assert (
        "gen_ai.response.model" not in converted(custom_llm_provider="cohere", **asked).attributes
    )


@pytest.mark.parametrize("base", ["http://[broken", "http://host:port/v1", 7, ""])
def test_odd_address_costs_itself_alone(tracing: Any, base: Any) -> None:
    """An odd address is left out, and the rest of the span is recorded."""
    assert "server.port" not in converted(api_base=base).attributes


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"prompt": "a"}, [{"role": "user", "content": "a"}]),
        ({"prompt": ["a", "b"]}, [{"role": "user", "content": text} for text in "ab"]),
    ],
)
def test_request_is_given_as_messages(given: dict[str, Any], read: list[Any]) -> None:
    """A prompt is converted to messages in the format of OpenAI's chat."""
    assert semconv_messages.inputs(given)["messages"] == read


def test_googles_contents_have_their_roles() -> None:
    """Google's contents have roles in requests and in responses."""
    part = {"text": "Hello."}
    given = {"contents": {"parts": [part]}, "systemInstruction": [{"text": "s"}]}
    told = semconv_messages.inputs(given)
    assert told["contents"] == [{"role": "user", "parts": [part]}]
    assert told["config"]["system_instruction"]["parts"] == [{"text": "s"}]
    answer = {"candidates": [{"content": {"parts": [part]}}]}
    [candidate] = semconv_messages.outputs(answer)["candidates"]
    assert candidate["content"] == {"role": "model", "parts": [part]}
