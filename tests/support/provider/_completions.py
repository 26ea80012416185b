"""Render responses in the wire format of OpenAI's legacy text completions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ._openai import error_body, error_event
from ._scenarios import Event, Json, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["body", "error_body", "error_event", "events", "request"]

DONE = Event(b"data: [DONE]\n\n")


def request(_: str, body: Json) -> Request:
    """Read a request as a chat's, from which the scenario is chosen."""
    asked = body.get("prompt")
    prompt = asked[0] if isinstance(asked, list) else asked
    return Request({**body, "messages": [{"role": "user", "content": str(prompt)}]})


def body(request: Request, answer: Response) -> Json:
    """Render the JSON of a whole response."""
    choices = [_choice(i, answer.pieces, answer, finish="stop") for i in range(request.n)]
    return {**_envelope(request), "choices": choices, "usage": _usage(request, answer)}


def events(request: Request, answer: Response) -> Iterator[Event]:
    """Render the server-sent events of a streamed response."""
    for piece in answer.pieces:
        for index in range(request.n):
            choice = _choice(index, (piece,), answer)
            yield _event({**_envelope(request), "choices": [choice]}, content=True)
    for index in range(request.n):
        ended = _choice(index, (), answer, finish="stop")
        yield _event({**_envelope(request), "choices": [ended]})
    if request.include_usage:
        yield _event({**_envelope(request), "choices": [], "usage": _usage(request, answer)})
    yield DONE


def _event(data: Json, *, content: bool = False) -> Event:
    return Event(f"data: {json.dumps(data)}\n\n".encode(), content)


def _envelope(request: Request) -> Json:
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": request.model,
    }


def _choice(
    index: int, pieces: tuple[str, ...], answer: Response, finish: str | None = None
) -> Json:
    logprobs = None
    if answer.quirk == "logprobs" and pieces:
        logprobs = {
            "tokens": list(pieces),
            "token_logprobs": [-0.25] * len(pieces),
            "top_logprobs": [{piece: -0.25} for piece in pieces],
            "text_offset": [answer.text.index(piece) for piece in pieces],
        }
    text = "".join(pieces)
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}


def _usage(request: Request, answer: Response) -> Json:
    said = answer.tokens.completion * request.n
    prompt = answer.tokens.fresh
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}
