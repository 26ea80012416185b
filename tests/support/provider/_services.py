"""
Serve requests that are no chats: embeddings, rankings, pictures, recordings, searches, documents.

The shapes are those of the providers' references: https://platform.openai.com/docs/api-reference,
https://docs.cohere.com/reference/rerank, https://docs.voyageai.com/reference/reranker-api,
https://docs.tavily.com/documentation/api-reference, https://docs.mistral.ai/api
"""

from __future__ import annotations

import base64
import json
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._openai import error_body
from ._scenarios import Failure, Json

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100_000)
SPEECH = b"ID3\x04" + bytes(100_000)
SIGNED = "https://blobs.example.com/picture.png?se=2026&sig=very-secret"
HEARD = "Hello from the recording."
PICTURE_USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 50,
    "total_tokens": 100,
}
CATEGORIES = ("violence", "self-harm")


@dataclass(frozen=True)
class Asked:
    """Hold a request: raw, and as JSON if it is JSON."""

    raw: bytes
    body: Json

    def says(self, text: str) -> bool:
        """Return whether it contains a text anywhere, for example in a form."""
        return text.encode() in self.raw


@dataclass(frozen=True)
class Reply:
    """Hold a response, ready to be sent."""

    data: bytes
    content_type: str = "application/json"
    status: int = 200


def reply(path: str, raw: bytes, body: Json) -> Reply | None:
    """Respond to a request, with an error if it contains ``/error 429`` or the like."""
    service = SERVICES.get(path)
    if service is None:
        return None
    if found := re.search(rb"/error (\d{3})", raw):
        failure = Failure(int(found[1]), "out of luck")
        return Reply(json.dumps(error_body(failure)).encode(), status=failure.status)
    told = service(Asked(raw, body))
    return told if isinstance(told, Reply) else Reply(json.dumps(told).encode())


def _embeddings(asked: Asked) -> Json:
    given = asked.body["input"]
    inputs = given if isinstance(given, list) else [given]
    words = sum(len(str(text).split()) for text in inputs)
    return {
        "object": "list",
        "data": [_embedding(asked, index) for index in range(len(inputs))],
        "model": asked.body["model"],
        "usage": {"prompt_tokens": words, "total_tokens": words},
    }


def _embedding(asked: Asked, index: int) -> Json:
    # Numbers that 32 bits hold exactly.
    numbers = [index + i / 1024 for i in range(asked.body.get("dimensions") or 1536)]
    packed = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    is_packed = asked.body.get("encoding_format") == "base64"
    return {"object": "embedding", "index": index, "embedding": packed if is_packed else numbers}


def _pictures(asked: Asked) -> Json:
    if not asked.says("gpt-image"):
        return {"created": 1_700_000_000, "data": [{"url": SIGNED, "revised_prompt": "revised"}]}
    return {
        "created": 1_700_000_000,
        "background": "opaque",
        "data": [{"b64_json": base64.b64encode(PICTURE).decode()}],
        "output_format": "png",
        "quality": "low",
        "size": "1024x1024",
        "usage": PICTURE_USAGE,
    }


def _transcription(asked: Asked) -> Json | Reply:
    if asked.says("gpt-4o"):
        details = {"text_tokens": 4, "audio_tokens": 10}
        counts = {"input_tokens": 14, "output_tokens": 6, "total_tokens": 20}
        return {
            "text": HEARD,
            "usage": {"type": "tokens", "input_token_details": details, **counts},
        }
    if asked.says("verbose_json"):
        segment = {"id": 0, "seek": 0, "start": 0.0, "end": 2.5, "text": HEARD, "tokens": [50364]}
        usage = {"type": "duration", "seconds": 3}
        told = {"task": "transcribe", "language": "english", "duration": 2.5, "text": HEARD}
        return {**told, "segments": [segment], "usage": usage}
    if asked.says("\r\nsrt\r\n"):
        return Reply(f"1\n00:00:00,000 --> 00:00:02,500\n{HEARD}\n".encode(), "text/plain")
    return {"text": HEARD, "usage": {"type": "duration", "seconds": 3}}


def _speech(_: Asked) -> Reply:
    return Reply(SPEECH, "audio/mpeg")


def _moderations(asked: Asked) -> Json:
    given = asked.body["input"]
    inputs = given if isinstance(given, list) else [given]
    results = [_moderated(flagged="attack" in json.dumps(text)) for text in inputs]
    return {"id": "modr-1", "model": "omni-moderation-latest", "results": results}


def _moderated(*, flagged: bool) -> Json:
    return {
        "flagged": flagged,
        "categories": dict.fromkeys(CATEGORIES, flagged),
        "category_scores": dict.fromkeys(CATEGORIES, 0.9 if flagged else 0.1),
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def _ranked(asked: Asked) -> list[Json]:
    count = len(asked.body["documents"])
    ranked = [{"index": i, "relevance_score": 1 - i / 10} for i in reversed(range(count))]
    return sorted(ranked, key=lambda item: -item["relevance_score"])


def _cohere_rerank(asked: Asked) -> Json:
    results = _ranked(asked)[: asked.body.get("top_n")]
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return {"id": "rerank-1", "results": results, "meta": meta}


def _voyage_rerank(asked: Asked) -> Json:
    results = _ranked(asked)[: asked.body.get("top_k")]
    return {
        "object": "list",
        "data": results,
        "model": asked.body["model"],
        "usage": {"total_tokens": 26},
    }


def _search(asked: Asked) -> Json:
    found = {"title": "Tracing", "content": "What tracing is.", "score": 0.9, "raw_content": None}
    return {
        "query": asked.body["query"],
        "answer": None,
        "images": [],
        "results": [{**found, "url": "https://example.com/tracing?token=very-secret"}],
        "response_time": 0.5,
    }


def _ocr(asked: Asked) -> Json:
    picture = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    corners = {"top_left_x": 1, "top_left_y": 2, "bottom_right_x": 3, "bottom_right_y": 4}
    page = {
        "index": 0,
        "markdown": "# Title\n\n![img-0.png](img-0.png)",
        "images": [{"id": "img-0.png", **corners, "image_base64": picture}],
        "dimensions": {"dpi": 200, "height": 2200, "width": 1700},
    }
    usage = {"pages_processed": 1, "doc_size_bytes": 3002}
    model = asked.body["model"]
    return {"pages": [page], "model": model, "document_annotation": None, "usage_info": usage}


SERVICES: dict[str, Callable[[Asked], Json | Reply]] = {
    "/search": _search,
    "/v1/audio/speech": _speech,
    "/v1/audio/transcriptions": _transcription,
    "/v1/embeddings": _embeddings,
    "/v1/images/edits": _pictures,
    "/v1/images/generations": _pictures,
    "/v1/images/variations": _pictures,
    "/v1/moderations": _moderations,
    "/v1/ocr": _ocr,
    "/v1/rerank": _voyage_rerank,
    "/v2/rerank": _cohere_rerank,
}
