"""The table of all targets: each public function of LiteLLM that reaches a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.entities import SpanType

from mlflow_litellm._instrumentation.target import Target
from mlflow_litellm._payloads.kinds import (
    anthropic_messages,
    audio,
    chat,
    embedding,
    generate_content,
    images,
    interactions,
    moderation,
    ocr,
    other,
    rerank,
    responses,
    search,
    text_completion,
    vector_stores,
)

if TYPE_CHECKING:
    from mlflow_litellm._payloads.base import Payload

CHAIN = SpanType.CHAIN


def _routed(payload: Payload, *methods: str, positional: tuple[str, ...]) -> list[Target]:
    return [
        Target(f"Router.{method}", CHAIN, payload, is_composite=True, positional=positional)
        for method in methods
    ]


def _others(*names: str) -> list[Target]:
    pairs = [(name, f"a{name}") for name in names]
    return [
        Target(name, SpanType.LLM, other, may_be_bridged=False) for pair in pairs for name in pair
    ]


TARGETS = (
    Target("completion", SpanType.LLM, chat),
    Target("acompletion", SpanType.LLM, chat),
    # litellm.LiteLLM() and the retries call these, not the names above.
    Target("main.completion", SpanType.LLM, chat),
    Target("main.acompletion", SpanType.LLM, chat),
    # Composite calls, which make chat calls.
    Target("completion_with_retries", CHAIN, chat, is_composite=True, passes_to="completion"),
    Target("acompletion_with_retries", CHAIN, chat, is_composite=True, passes_to="acompletion"),
    Target("completion_with_fallbacks", CHAIN, chat, is_composite=True),
    Target("async_completion_with_fallbacks", CHAIN, chat, is_composite=True),
    Target("batch_completion", CHAIN, chat, is_composite=True),
    Target("batch_completion_models", CHAIN, chat, is_composite=True, passes_to="completion"),
    Target(
        "batch_completion_models_all_responses",
        CHAIN,
        chat,
        is_composite=True,
        passes_to="completion",
    ),
    Target("run_tool_loop", SpanType.AGENT, chat, is_composite=True),
    Target("arun_tool_loop", SpanType.AGENT, chat, is_composite=True),
    Target("query", CHAIN, chat, is_composite=True),
    Target("aquery", CHAIN, chat, is_composite=True),
    *_routed(chat, "completion", "acompletion", positional=("model", "messages")),
    *_routed(chat, "abatch_completion", positional=("models", "messages")),
    *_routed(
        chat,
        "abatch_completion_fastest_response",
        "abatch_completion_one_model_multiple_requests",
        "schedule_acompletion",
        positional=("model", "messages", "priority"),
    ),
    *_routed(
        text_completion, "text_completion", "atext_completion", positional=("model", "prompt")
    ),
    *_routed(embedding, "embedding", "aembedding", positional=("model", "input")),
    *_routed(images, "image_generation", "aimage_generation", positional=("prompt", "model")),
    *_routed(audio, "atranscription", positional=("model", "file")),
    *_routed(audio, "aspeech", positional=("model", "input", "voice")),
    *_routed(rerank, "arerank", positional=("model", "query", "documents")),
    # Other APIs for the same models. LiteLLM bridges one into another.
    Target("responses", SpanType.LLM, responses),
    Target("aresponses", SpanType.LLM, responses, positional=("input", "model")),
    # The retries call these.
    Target("responses.dispatch.responses", SpanType.LLM, responses),
    Target("responses.dispatch.aresponses", SpanType.LLM, responses),
    Target("responses_with_retries", CHAIN, responses, is_composite=True, passes_to="responses"),
    Target("aresponses_with_retries", CHAIN, responses, is_composite=True, passes_to="aresponses"),
    Target("compact_responses", SpanType.LLM, responses),
    Target("acompact_responses", SpanType.LLM, responses),
    Target("anthropic_messages", SpanType.LLM, anthropic_messages),
    Target("anthropic_messages_handler", SpanType.LLM, anthropic_messages),
    Target("anthropic.messages.create", SpanType.LLM, anthropic_messages),
    Target("anthropic.messages.acreate", SpanType.LLM, anthropic_messages),
    Target("agenerate_content", SpanType.LLM, generate_content),
    Target("google_genai.generate_content", SpanType.LLM, generate_content),
    Target("google_genai.agenerate_content", SpanType.LLM, generate_content),
    Target("google_genai.generate_content_stream", SpanType.LLM, generate_content),
    Target("google_genai.agenerate_content_stream", SpanType.LLM, generate_content),
    Target("interactions.create", SpanType.LLM, interactions),
    Target("interactions.acreate", SpanType.LLM, interactions),
    Target("text_completion", SpanType.LLM, text_completion),
    Target("atext_completion", SpanType.LLM, text_completion),
    # Calls of their own, also if LiteLLM makes them within another call.
    Target("embedding", SpanType.EMBEDDING, embedding, may_be_bridged=False),
    Target(
        "aembedding", SpanType.EMBEDDING, embedding, may_be_bridged=False, passes_to="embedding"
    ),
    Target("rerank", SpanType.RERANKER, rerank, may_be_bridged=False),
    Target("arerank", SpanType.RERANKER, rerank, may_be_bridged=False),
    Target("moderation", SpanType.GUARDRAIL, moderation, may_be_bridged=False),
    Target(
        "amoderation",
        SpanType.GUARDRAIL,
        moderation,
        may_be_bridged=False,
        positional=("input", "model"),
    ),
    Target("search", SpanType.RETRIEVER, search, may_be_bridged=False),
    Target("asearch", SpanType.RETRIEVER, search, may_be_bridged=False),
    Target("vector_stores.search", SpanType.RETRIEVER, vector_stores, may_be_bridged=False),
    Target("vector_stores.asearch", SpanType.RETRIEVER, vector_stores, may_be_bridged=False),
    Target("ocr", SpanType.PARSER, ocr, may_be_bridged=False),
    Target("aocr", SpanType.PARSER, ocr, may_be_bridged=False),
    Target("transcription", SpanType.LLM, audio, may_be_bridged=False),
    Target("atranscription", SpanType.LLM, audio, may_be_bridged=False, passes_to="transcription"),
    *_others("decisions", "systemone", "extraction"),
    *_others("video_generation", "video_remix", "video_edit", "video_extension"),
    # LiteLLM bridges other kinds of call to these.
    Target("speech", SpanType.LLM, audio),
    Target("aspeech", SpanType.LLM, audio, passes_to="speech"),
    Target("image_generation", SpanType.LLM, images),
    Target("aimage_generation", SpanType.LLM, images, passes_to="image_generation"),
    Target("image_edit", SpanType.LLM, images),
    Target("aimage_edit", SpanType.LLM, images),
    Target("image_variation", SpanType.LLM, images),
    Target("aimage_variation", SpanType.LLM, images, passes_to="image_variation"),
)
