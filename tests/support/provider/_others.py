"""
Serve the rest: searches of vector stores, compacted responses, videos, decisions, interactions.

The shapes are those of the providers' references: https://platform.openai.com/docs/api-reference,
https://docs.perplexity.ai and https://ai.google.dev/api/interactions-api
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ._openai import error_body
from ._scenarios import Failure, Json
from ._services import Asked, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNKS = ("Paris is warm.", "Oslo is cold.")
SEALED = "gAAAAA" + "x" * 200


def reply(path: str, raw: bytes, body: Json) -> Reply | None:
    """Respond to a request, with an error if it contains ``/error 429`` or the like."""
    answer = next((each for pattern, each in ANSWERS if re.fullmatch(pattern, path)), None)
    if answer is None:
        return None
    if found := re.search(rb"/error (\d{3})", raw):
        failure = Failure(int(found[1]), "out of luck")
        return Reply(json.dumps(error_body(failure)).encode(), status=failure.status)
    told = answer(Asked(raw, body))
    return told if isinstance(told, Reply) else Reply(json.dumps(told).encode())


def _found(asked: Asked) -> Json:
    data = [
        {
            "file_id": f"file-{number}",
            "filename": f"{number}.txt",
            "score": 0.9 - number / 10,
            "attributes": {"lang": "en"},
            "content": [{"type": "text", "text": text}],
        }
        for number, text in enumerate(CHUNKS)
    ]
    page = {"object": "vector_store.search_results.page", "search_query": asked.body["query"]}
    return {**page, "data": data, "has_more": False, "next_page": None}


def _compacted(asked: Asked) -> Json:
    content = [{"type": "input_text", "text": asked.body["input"]}]
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "user"}
    sealed = {"type": "compaction", "id": "cmp_1", "encrypted_content": SEALED}
    return {
        "id": "resp_1",
        "object": "response.compaction",
        "created_at": 1_700_000_000,
        "output": [{**message, "content": content}, sealed],
        "usage": {
            "input_tokens": 40,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 60,
        },
    }


def _video(asked: Asked) -> Json:
    told = {"id": "video_1", "object": "video", "model": "sora-2", "status": "queued"}
    more = {"progress": 0, "created_at": 1_700_000_000, "size": "720x1280", "seconds": "4"}
    return {**told, **more, "remixed_from_video_id": "video_0" if asked.says("again") else None}


def _decided(asked: Asked) -> Json:
    answers = {name: {"type": "noul", "noul": 0.9} for name in asked.body["questions"]}
    return {"model": asked.body["model"], "answers": answers}


def _extracted(asked: Asked) -> Json:
    answers = {name: {"type": "text", "value": "cat"} for name in asked.body["fields"]}
    usage = {"input_tokens": 20, "output_tokens": 5}
    return {"model": asked.body["model"], "answers": answers, "truncated": False, "usage": usage}


def _interaction(asked: Asked) -> Json | Reply:
    if asked.body.get("stream"):
        events = (f"data: {json.dumps(event)}\n\n" for event in _interaction_events(asked))
        return Reply("".join(events).encode(), "text/event-stream")
    return {**_begun(asked), "steps": [_step(asked)], **_ENDED}


def _interaction_events(asked: Asked) -> list[Json]:
    [part] = _step(asked)["content"]
    deltas = [
        {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": text}}
        for text in re.findall(r"\s*\S+", part["text"])
    ]
    return [
        {"event_type": "interaction.created", "interaction": _begun(asked)},
        {"event_type": "step.start", "index": 0, "step": {"type": "model_output", "content": []}},
        *deltas,
        {"event_type": "step.stop", "index": 0, "status": "done"},
        {"event_type": "interaction.completed", "interaction": {**_begun(asked), **_ENDED}},
    ]


def _begun(asked: Asked) -> Json:
    model = asked.body["model"]
    told = {"id": "v1_1", "object": "interaction", "model": model, "status": "in_progress"}
    return {**told, "created": "2026-05-20T12:00:00Z"}


def _step(asked: Asked) -> Json:
    content = [{"type": "text", "text": f"You said: {asked.body['input']}"}]
    return {"type": "model_output", "content": content}


_ENDED = {
    "status": "completed",
    "usage": {
        "total_input_tokens": 5,
        "total_cached_tokens": 0,
        "total_output_tokens": 3,
        "total_thought_tokens": 2,
        "total_tool_use_tokens": 0,
        "total_tokens": 10,
    },
}

ANSWERS: list[tuple[str, Callable[[Asked], Json | Reply]]] = [
    (r"/v1/responses/compact", _compacted),
    (r"/v1/systemone|/v1/decisions", _decided),
    (r"/v1/videos(/edits|/extensions|/[^/]+/remix)?", _video),
    (r"/v1beta/interactions", _interaction),
    (r"/v1/ai/run/.*", _extracted),
    (r"/v1/vector_stores/[^/]+/search", _found),
]
