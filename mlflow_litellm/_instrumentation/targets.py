"""The one table of what is patched: each public function of LiteLLM that reaches a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.entities import SpanType

from mlflow_litellm._instrumentation.target import Door
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


def _routed(payload: Payload, *methods: str, positional: tuple[str, ...]) -> list[Door]:
    return [
        Door(f"Router.{method}", CHAIN, payload, is_route=True, positional=positional)
        for method in methods
    ]


def _others(*names: str) -> list[Door]:
    pairs = [(name, f"a{name}") for name in names]
    return [Door(name, SpanType.LLM, other, bridges=False) for pair in pairs for name in pair]


DOORS = (
    Door("completion", SpanType.LLM, chat),
    Door("acompletion", SpanType.LLM, chat),
    # What litellm.LiteLLM() and the retries call, which know nothing of the names above.
    Door("main.completion", SpanType.LLM, chat),
    Door("main.acompletion", SpanType.LLM, chat),
    # Calls that make chat calls.
    Door("completion_with_retries", CHAIN, chat, is_route=True, passes_to="completion"),
    Door("acompletion_with_retries", CHAIN, chat, is_route=True, passes_to="acompletion"),
    Door("completion_with_fallbacks", CHAIN, chat, is_route=True),
    Door("async_completion_with_fallbacks", CHAIN, chat, is_route=True),
    Door("batch_completion", CHAIN, chat, is_route=True),
    Door("batch_completion_models", CHAIN, chat, is_route=True, passes_to="completion"),
    Door(
        "batch_completion_models_all_responses", CHAIN, chat, is_route=True, passes_to="completion"
    ),
    Door("run_tool_loop", SpanType.AGENT, chat, is_route=True),
    Door("arun_tool_loop", SpanType.AGENT, chat, is_route=True),
    Door("query", CHAIN, chat, is_route=True),
    Door("aquery", CHAIN, chat, is_route=True),
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
    # Other shapes of the same, which LiteLLM bridges into one another.
    Door("responses", SpanType.LLM, responses),
    Door("aresponses", SpanType.LLM, responses, positional=("input", "model")),
    # What the retries call.
    Door("responses.dispatch.responses", SpanType.LLM, responses),
    Door("responses.dispatch.aresponses", SpanType.LLM, responses),
    Door("responses_with_retries", CHAIN, responses, is_route=True, passes_to="responses"),
    Door("aresponses_with_retries", CHAIN, responses, is_route=True, passes_to="aresponses"),
    Door("compact_responses", SpanType.LLM, responses),
    Door("acompact_responses", SpanType.LLM, responses),
    Door("anthropic_messages", SpanType.LLM, anthropic_messages),
    Door("anthropic_messages_handler", SpanType.LLM, anthropic_messages),
    Door("anthropic.messages.create", SpanType.LLM, anthropic_messages),
    Door("anthropic.messages.acreate", SpanType.LLM, anthropic_messages),
    Door("agenerate_content", SpanType.LLM, generate_content),
    Door("google_genai.generate_content", SpanType.LLM, generate_content),
    Door("google_genai.agenerate_content", SpanType.LLM, generate_content),
    Door("google_genai.generate_content_stream", SpanType.LLM, generate_content),
    Door("google_genai.agenerate_content_stream", SpanType.LLM, generate_content),
    Door("interactions.create", SpanType.LLM, interactions),
    Door("interactions.acreate", SpanType.LLM, interactions),
    Door("text_completion", SpanType.LLM, text_completion),
    Door("atext_completion", SpanType.LLM, text_completion),
    # Separate calls, also where LiteLLM makes them within another.
    Door("embedding", SpanType.EMBEDDING, embedding, bridges=False),
    Door("aembedding", SpanType.EMBEDDING, embedding, bridges=False, passes_to="embedding"),
    Door("rerank", SpanType.RERANKER, rerank, bridges=False),
    Door("arerank", SpanType.RERANKER, rerank, bridges=False),
    Door("moderation", SpanType.GUARDRAIL, moderation, bridges=False),
    Door(
        "amoderation",
        SpanType.GUARDRAIL,
        moderation,
        bridges=False,
        positional=("input", "model"),
    ),
    Door("search", SpanType.RETRIEVER, search, bridges=False),
    Door("asearch", SpanType.RETRIEVER, search, bridges=False),
    Door("vector_stores.search", SpanType.RETRIEVER, vector_stores, bridges=False),
    Door("vector_stores.asearch", SpanType.RETRIEVER, vector_stores, bridges=False),
    Door("ocr", SpanType.PARSER, ocr, bridges=False),
    Door("aocr", SpanType.PARSER, ocr, bridges=False),
    Door("transcription", SpanType.LLM, audio, bridges=False),
    Door("atranscription", SpanType.LLM, audio, bridges=False, passes_to="transcription"),
    *_others("decisions", "systemone", "extraction"),
    *_others("video_generation", "video_remix", "video_edit", "video_extension"),
    # LiteLLM answers other kinds of call by these.
    Door("speech", SpanType.LLM, audio),
    Door("aspeech", SpanType.LLM, audio, passes_to="speech"),
    Door("image_generation", SpanType.LLM, images),
    Door("aimage_generation", SpanType.LLM, images, passes_to="image_generation"),
    Door("image_edit", SpanType.LLM, images),
    Door("aimage_edit", SpanType.LLM, images),
    Door("image_variation", SpanType.LLM, images),
    Door("aimage_variation", SpanType.LLM, images, passes_to="image_variation"),
)
