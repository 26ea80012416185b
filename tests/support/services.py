"""Calls LiteLLM's functions other than chat, in the sync and the async way, from one test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import litellm
from callers import AsyncCaller

if TYPE_CHECKING:
    from callers import Caller
    from mlflow.entities import Span

SECRET = "very-secret"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)


@dataclass(frozen=True)
class Service:
    """
    One of LiteLLM's functions, by its sync name.

    Attributes:
        name: Its name in ``litellm``.
        span_type: The type of its MLflow spans.
        provider: LiteLLM's name of the provider.
        arguments: The arguments of a usual call, without address and key.
        failing: Arguments that the provider refuses.
    """

    name: str
    span_type: str
    provider: str
    arguments: dict[str, Any]
    failing: dict[str, Any]

    def call(self, caller: Caller, *args: Any, **arguments: Any) -> Any:
        """
        Make a call, sync or async as the caller is, and return its result.

        Args:
            caller: Makes the call, sync or async.
            args: Positional arguments, in place of the usual ones.
            arguments: Further arguments, or replacements of the usual ones.
        """
        is_versioned = self.provider in {"cohere", "tavily"}
        base = caller.provider.anthropic_base if is_versioned else caller.provider.openai_base
        known = {"api_base": base, "api_key": f"sk-{SECRET}"}
        given = {**known, **({} if args else self.arguments), **arguments}
        if isinstance(caller, AsyncCaller):
            return caller.run(lambda: getattr(litellm, f"a{self.name}")(*args, **given))
        return getattr(litellm, self.name)(*args, **given)


def span_name(caller: Caller, name: str) -> str:
    """Return the name of a call's span by the call's sync name."""
    return f"litellm-{'a' if isinstance(caller, AsyncCaller) else ''}{name}"


def assert_priced(span: Span, response: Any) -> None:
    """Fail unless a span's cost is LiteLLM's own figure."""
    cost = span.attributes["mlflow.llm.cost"]
    total = response._hidden_params["response_cost"]
    assert cost["total_cost"] == total > 0
    assert span.attributes["response_cost"] == total


_REFUSED = "/error 400"

EMBEDDING = Service(
    "embedding",
    "EMBEDDING",
    "openai",
    {"model": "openai/text-embedding-3-small", "input": ["one two", "three"]},
    {"user": _REFUSED},
)
RERANK = Service(
    "rerank",
    "RERANKER",
    "cohere",
    {"model": "cohere/rerank-v3.5", "query": "which?", "documents": ["one", "two", "three"]},
    {"query": _REFUSED},
)
MODERATION = Service(
    "moderation",
    "GUARDRAIL",
    "openai",
    {"model": "omni-moderation-latest", "input": "a plan to attack"},
    {"input": _REFUSED},
)
IMAGE_GENERATION = Service(
    "image_generation",
    "LLM",
    "openai",
    {"prompt": "a cat", "model": "openai/gpt-image-1"},
    {"prompt": _REFUSED},
)
IMAGE_EDIT = Service(
    "image_edit",
    "LLM",
    "openai",
    {"image": PNG, "prompt": "a cat", "model": "openai/gpt-image-1"},
    {"prompt": _REFUSED},
)
IMAGE_VARIATION = Service(
    "image_variation",
    "LLM",
    "openai",
    {"image": PNG, "model": "openai/dall-e-2"},
    {"image": PNG + _REFUSED.encode()},
)
TRANSCRIPTION = Service(
    "transcription",
    "LLM",
    "openai",
    {"model": "openai/whisper-1", "file": ("talk.wav", b"RIFF" + bytes(50))},
    {"prompt": _REFUSED},
)
SPEECH = Service(
    "speech",
    "LLM",
    "openai",
    {"model": "openai/tts-1", "input": "Hello there.", "voice": "alloy"},
    {"input": _REFUSED},
)
SEARCH = Service(
    "search",
    "RETRIEVER",
    "tavily",
    {"search_provider": "tavily", "query": "tracing"},
    {"query": _REFUSED},
)
_PDF = {"type": "document_url", "document_url": f"https://example.com/a.pdf?token={SECRET}"}
OCR = Service(
    "ocr",
    "PARSER",
    "mistral",
    {"model": "mistral/mistral-ocr-latest", "document": _PDF},
    {"document": {**_PDF, "document_url": f"https://example.com{_REFUSED}"}},
)
SERVICES = tuple(
    service
    for service in (
        EMBEDDING,
        RERANK,
        MODERATION,
        IMAGE_GENERATION,
        IMAGE_EDIT,
        IMAGE_VARIATION,
        TRANSCRIPTION,
        SPEECH,
        SEARCH,
        OCR,
    )
    # Older versions have fewer.
    if hasattr(litellm, service.name)
)
