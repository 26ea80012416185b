"""Render responses in the wire format of Gemini's ``generateContent``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._scenarios import Event, Failure, Json, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator

FINISH = {"stop": "STOP", "tool_calls": "STOP", "refusal": "SAFETY"}
STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}
STREAMING = ":streamGenerateContent"
PATHS = (":generateContent", STREAMING)


def request(path: str, body: Json) -> Request:
    """Read a request as a chat's, from which the scenario is chosen."""
    messages = [
        {"role": item.get("role") or "user", "content": _texts(item)}
        for item in body.get("contents") or []
    ]
    system = _texts(body.get("systemInstruction") or {})
    model = path.rpartition("/")[2].partition(":")[0]
    told = {"model": model, "messages": messages, "system": system}
    return Request({**body, **told, "stream": path.endswith(STREAMING)})


def body(request: Request, answer: Response) -> Json:
    """Render the JSON of a whole response."""
    return _chunk(request, answer, list(_parts(answer)), ended=True)


def events(request: Request, answer: Response) -> Iterator[Event]:
    """Render the server-sent events of a streamed response."""
    parts = [
        *({"text": piece, "thought": True} for piece in answer.reasoning),
        *({"text": piece} for piece in answer.pieces),
        *_calls(answer),
    ]
    for part in parts:
        content = "text" in part and "thought" not in part
        yield _event(_chunk(request, answer, [part], ended=part is parts[-1]), content=content)
    if not parts:
        yield _event(_chunk(request, answer, [], ended=True))


def error_body(failure: Failure) -> Json:
    """Render the JSON of an error."""
    status = STATUS.get(failure.status, "INTERNAL")
    return {"error": {"code": failure.status, "message": failure.message, "status": status}}


def error_event(failure: Failure) -> Event:
    """Render an error in the middle of a stream."""
    return _event(error_body(failure))


def _event(data: Json, *, content: bool = False) -> Event:
    return Event(f"data: {json.dumps(data)}\r\n\r\n".encode(), content)


def _texts(item: Json) -> list[Json]:
    return [{"type": "text", **part} for part in item.get("parts") or [] if "text" in part]


def _parts(answer: Response) -> Iterator[Json]:
    if answer.reasoning:
        yield {"text": "".join(answer.reasoning), "thought": True}
    if answer.pieces:
        yield {"text": answer.text}
    yield from _calls(answer)


def _calls(answer: Response) -> list[Json]:
    return [
        {"functionCall": {"name": call.name, "args": call.arguments}} for call in answer.tool_calls
    ]


def _chunk(request: Request, answer: Response, parts: list[Json], *, ended: bool) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if ended:
        candidate["finishReason"] = FINISH[answer.finish]
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(answer) if ended else _counted(answer, 0),
        "modelVersion": request.model,
        "responseId": "answer-1",
    }


def _usage(answer: Response) -> Json:
    return _counted(answer, answer.tokens.completion)


def _counted(answer: Response, said: int) -> dict[str, Any]:
    prompt = answer.tokens.fresh + answer.tokens.cache_read
    counts = {"promptTokenCount": prompt, "totalTokenCount": prompt + said}
    if said:
        counts["candidatesTokenCount"] = said
    if answer.tokens.cache_read:
        counts["cachedContentTokenCount"] = answer.tokens.cache_read
    return counts
