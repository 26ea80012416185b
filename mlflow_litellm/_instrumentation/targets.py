"""The table of all targets: each public function of LiteLLM that reaches a model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._instrumentation.target import Target
from mlflow_litellm._payloads.kinds.table import (
    ANTHROPIC_MESSAGES,
    AUDIO,
    CHAT,
    EMBEDDING,
    GENERATE_CONTENT,
    IMAGES,
    INTERACTIONS,
    MODERATION,
    OCR,
    OTHER,
    RERANK,
    RESPONSES,
    SEARCH,
    TEXT_COMPLETION,
    VECTOR_STORES,
)

if TYPE_CHECKING:
    from mlflow_litellm._payloads.kind import Kind


def _calls(kind: Kind, *names: str, **options: Any) -> list[Target]:
    """Return targets that reach a model themselves."""
    return [Target(name, kind.span_type, kind, **options) for name in names]


_services = partial(_calls, may_be_bridged=False)


def _composites(
    kind: Kind, *names: str, span_type: str = SpanType.CHAIN, **options: Any
) -> list[Target]:
    """Return targets that reach models only through calls of their own."""
    return [Target(name, span_type, kind, is_composite=True, **options) for name in names]


def _routed(kind: Kind, *methods: str, positional: tuple[str, ...]) -> list[Target]:
    names = (f"Router.{method}" for method in methods)
    return _composites(kind, *names, positional=positional)


TARGETS = (
    # litellm.LiteLLM() and the retries call the functions of `main` by their names there.
    *_calls(CHAT, "completion", "acompletion", "main.completion", "main.acompletion"),
    *_composites(
        CHAT, "completion_with_retries", "batch_completion_models",
        "batch_completion_models_all_responses", passes_to="completion",
    ),
    *_composites(CHAT, "acompletion_with_retries", passes_to="acompletion"),
    *_composites(
        CHAT, "completion_with_fallbacks", "async_completion_with_fallbacks", "batch_completion",
        "query", "aquery",
    ),
    *_composites(CHAT, "run_tool_loop", "arun_tool_loop", span_type=SpanType.AGENT),
    *_routed(CHAT, "completion", "acompletion", positional=("model", "messages")),
    *_routed(CHAT, "abatch_completion", positional=("models", "messages")),
    *_routed(
        CHAT, "abatch_completion_fastest_response",
        "abatch_completion_one_model_multiple_requests", "schedule_acompletion",
        positional=("model", "messages", "priority"),
    ),
    *_routed(
        TEXT_COMPLETION, "text_completion", "atext_completion", positional=("model", "prompt")
    ),
    *_routed(EMBEDDING, "embedding", "aembedding", positional=("model", "input")),
    *_routed(IMAGES, "image_generation", "aimage_generation", positional=("prompt", "model")),
    *_routed(AUDIO, "atranscription", positional=("model", "file")),
    *_routed(AUDIO, "aspeech", positional=("model", "input", "voice")),
    *_routed(RERANK, "arerank", positional=("model", "query", "documents")),
    # Other APIs for the same models. LiteLLM bridges one into another.
    *_calls(RESPONSES, "responses", "compact_responses", "acompact_responses"),
    *_calls(RESPONSES, "aresponses", positional=("input", "model")),
    # The retries call these.
    *_calls(RESPONSES, "responses.dispatch.responses", "responses.dispatch.aresponses"),
    *_composites(RESPONSES, "responses_with_retries", passes_to="responses"),
    *_composites(RESPONSES, "aresponses_with_retries", passes_to="aresponses"),
    *_calls(
        ANTHROPIC_MESSAGES, "anthropic_messages", "anthropic_messages_handler",
        "anthropic.messages.create", "anthropic.messages.acreate",
    ),
    *_calls(
        GENERATE_CONTENT, "agenerate_content",
        "google_genai.generate_content", "google_genai.agenerate_content",
        "google_genai.generate_content_stream", "google_genai.agenerate_content_stream",
    ),
    *_calls(INTERACTIONS, "interactions.create", "interactions.acreate"),
    *_calls(TEXT_COMPLETION, "text_completion", "atext_completion"),
    # Calls of their own, also if LiteLLM makes them within another call.
    *_services(EMBEDDING, "embedding"),
    *_services(EMBEDDING, "aembedding", passes_to="embedding"),
    *_services(RERANK, "rerank", "arerank"),
    *_services(MODERATION, "moderation"),
    *_services(MODERATION, "amoderation", positional=("input", "model")),
    *_services(SEARCH, "search", "asearch"),
    *_services(VECTOR_STORES, "vector_stores.search", "vector_stores.asearch"),
    *_services(OCR, "ocr", "aocr"),
    *_services(AUDIO, "transcription"),
    *_services(AUDIO, "atranscription", passes_to="transcription"),
    *_services(OTHER, "decisions", "adecisions", "systemone", "asystemone"),
    *_services(OTHER, "extraction", "aextraction", "video_generation", "avideo_generation"),
    *_services(OTHER, "video_remix", "avideo_remix", "video_edit", "avideo_edit"),
    *_services(OTHER, "video_extension", "avideo_extension"),
    # LiteLLM bridges other kinds of call to these.
    *_calls(AUDIO, "speech"),
    *_calls(AUDIO, "aspeech", passes_to="speech"),
    *_calls(IMAGES, "image_generation", "image_edit", "aimage_edit", "image_variation"),
    *_calls(IMAGES, "aimage_generation", passes_to="image_generation"),
    *_calls(IMAGES, "aimage_variation", passes_to="image_variation"),
)  # fmt: skip
