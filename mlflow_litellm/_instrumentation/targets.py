"""The table of all targets: each public function of LiteLLM that reaches a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

CHAIN = SpanType.CHAIN


def _routed(kind: Kind, *methods: str, positional: tuple[str, ...]) -> list[Target]:
    return [
        Target(f"Router.{method}", CHAIN, kind, is_composite=True, positional=positional)
        for method in methods
    ]


def _others(*names: str) -> list[Target]:
    pairs = [(name, f"a{name}") for name in names]
    return [
        Target(name, SpanType.LLM, OTHER, may_be_bridged=False) for pair in pairs for name in pair
    ]


TARGETS = (
    Target("completion", SpanType.LLM, CHAT),
    Target("acompletion", SpanType.LLM, CHAT),
    # litellm.LiteLLM() and the retries call these, not the names above.
    Target("main.completion", SpanType.LLM, CHAT),
    Target("main.acompletion", SpanType.LLM, CHAT),
    # Composite calls, which make chat calls.
    Target("completion_with_retries", CHAIN, CHAT, is_composite=True, passes_to="completion"),
    Target("acompletion_with_retries", CHAIN, CHAT, is_composite=True, passes_to="acompletion"),
    Target("completion_with_fallbacks", CHAIN, CHAT, is_composite=True),
    Target("async_completion_with_fallbacks", CHAIN, CHAT, is_composite=True),
    Target("batch_completion", CHAIN, CHAT, is_composite=True),
    Target("batch_completion_models", CHAIN, CHAT, is_composite=True, passes_to="completion"),
    Target(
        "batch_completion_models_all_responses",
        CHAIN,
        CHAT,
        is_composite=True,
        passes_to="completion",
    ),
    Target("run_tool_loop", SpanType.AGENT, CHAT, is_composite=True),
    Target("arun_tool_loop", SpanType.AGENT, CHAT, is_composite=True),
    Target("query", CHAIN, CHAT, is_composite=True),
    Target("aquery", CHAIN, CHAT, is_composite=True),
    *_routed(CHAT, "completion", "acompletion", positional=("model", "messages")),
    *_routed(CHAT, "abatch_completion", positional=("models", "messages")),
    *_routed(
        CHAT,
        "abatch_completion_fastest_response",
        "abatch_completion_one_model_multiple_requests",
        "schedule_acompletion",
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
    Target("responses", SpanType.LLM, RESPONSES),
    Target("aresponses", SpanType.LLM, RESPONSES, positional=("input", "model")),
    # The retries call these.
    Target("responses.dispatch.responses", SpanType.LLM, RESPONSES),
    Target("responses.dispatch.aresponses", SpanType.LLM, RESPONSES),
    Target("responses_with_retries", CHAIN, RESPONSES, is_composite=True, passes_to="responses"),
    Target("aresponses_with_retries", CHAIN, RESPONSES, is_composite=True, passes_to="aresponses"),
    Target("compact_responses", SpanType.LLM, RESPONSES),
    Target("acompact_responses", SpanType.LLM, RESPONSES),
    Target("anthropic_messages", SpanType.LLM, ANTHROPIC_MESSAGES),
    Target("anthropic_messages_handler", SpanType.LLM, ANTHROPIC_MESSAGES),
    Target("anthropic.messages.create", SpanType.LLM, ANTHROPIC_MESSAGES),
    Target("anthropic.messages.acreate", SpanType.LLM, ANTHROPIC_MESSAGES),
    Target("agenerate_content", SpanType.LLM, GENERATE_CONTENT),
    Target("google_genai.generate_content", SpanType.LLM, GENERATE_CONTENT),
    Target("google_genai.agenerate_content", SpanType.LLM, GENERATE_CONTENT),
    Target("google_genai.generate_content_stream", SpanType.LLM, GENERATE_CONTENT),
    Target("google_genai.agenerate_content_stream", SpanType.LLM, GENERATE_CONTENT),
    Target("interactions.create", SpanType.LLM, INTERACTIONS),
    Target("interactions.acreate", SpanType.LLM, INTERACTIONS),
    Target("text_completion", SpanType.LLM, TEXT_COMPLETION),
    Target("atext_completion", SpanType.LLM, TEXT_COMPLETION),
    # Calls of their own, also if LiteLLM makes them within another call.
    Target("embedding", SpanType.EMBEDDING, EMBEDDING, may_be_bridged=False),
    Target(
        "aembedding", SpanType.EMBEDDING, EMBEDDING, may_be_bridged=False, passes_to="embedding"
    ),
    Target("rerank", SpanType.RERANKER, RERANK, may_be_bridged=False),
    Target("arerank", SpanType.RERANKER, RERANK, may_be_bridged=False),
    Target("moderation", SpanType.GUARDRAIL, MODERATION, may_be_bridged=False),
    Target(
        "amoderation",
        SpanType.GUARDRAIL,
        MODERATION,
        may_be_bridged=False,
        positional=("input", "model"),
    ),
    Target("search", SpanType.RETRIEVER, SEARCH, may_be_bridged=False),
    Target("asearch", SpanType.RETRIEVER, SEARCH, may_be_bridged=False),
    Target("vector_stores.search", SpanType.RETRIEVER, VECTOR_STORES, may_be_bridged=False),
    Target("vector_stores.asearch", SpanType.RETRIEVER, VECTOR_STORES, may_be_bridged=False),
    Target("ocr", SpanType.PARSER, OCR, may_be_bridged=False),
    Target("aocr", SpanType.PARSER, OCR, may_be_bridged=False),
    Target("transcription", SpanType.LLM, AUDIO, may_be_bridged=False),
    Target("atranscription", SpanType.LLM, AUDIO, may_be_bridged=False, passes_to="transcription"),
    *_others("decisions", "systemone", "extraction"),
    *_others("video_generation", "video_remix", "video_edit", "video_extension"),
    # LiteLLM bridges other kinds of call to these.
    Target("speech", SpanType.LLM, AUDIO),
    Target("aspeech", SpanType.LLM, AUDIO, passes_to="speech"),
    Target("image_generation", SpanType.LLM, IMAGES),
    Target("aimage_generation", SpanType.LLM, IMAGES, passes_to="image_generation"),
    Target("image_edit", SpanType.LLM, IMAGES),
    Target("aimage_edit", SpanType.LLM, IMAGES),
    Target("image_variation", SpanType.LLM, IMAGES),
    Target("aimage_variation", SpanType.LLM, IMAGES, passes_to="image_variation"),
)
