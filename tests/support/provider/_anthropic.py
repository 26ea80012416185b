"""Render responses in the wire format of Anthropic's messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ._scenarios import Event, Failure, Json, Request, Response, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

FINISH = {"stop": "end_turn", "tool_calls": "tool_use", "refusal": "refusal"}
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
SIGNATURE = "c2lnbmVkLXRob3VnaHQ="


def body(request: Request, answer: Response) -> Json:
    """Render the JSON of a whole response."""
    return {
        **_envelope(request),
        "content": list(_blocks(answer)),
        "stop_reason": FINISH[answer.finish],
        "usage": {**_input(answer), "output_tokens": answer.tokens.completion},
    }


def events(request: Request, answer: Response) -> Iterator[Event]:
    """Render the server-sent events of a streamed response."""
    message = {**_envelope(request), "usage": {**_input(answer), "output_tokens": 1}}
    yield _event({"type": "message_start", "message": message})
    yield _event({"type": "ping"})
    for index, (start, deltas) in enumerate(_streamed(answer)):
        yield from _block_events(index, start, deltas)
    delta = {"stop_reason": FINISH[answer.finish], "stop_sequence": None}
    usage = {"output_tokens": answer.tokens.completion}
    yield _event({"type": "message_delta", "delta": delta, "usage": usage})
    yield _event({"type": "message_stop"})


def error_body(failure: Failure) -> Json:
    """Render the JSON of an error."""
    kind = KINDS.get(failure.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": failure.message}}


def error_event(failure: Failure) -> Event:
    """Render an error in the middle of a stream."""
    return _event(error_body(failure))


def _event(data: Json) -> Event:
    content = data.get("delta", {}).get("type") == "text_delta"
    return Event(f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode(), content)


def _envelope(request: Request) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _input(answer: Response) -> Json:
    usage = answer.tokens
    counts: Json = {"input_tokens": usage.fresh}
    if usage.cache_read or usage.cache_written:
        counts["cache_creation_input_tokens"] = usage.cache_written
        counts["cache_read_input_tokens"] = usage.cache_read
    return counts


def _blocks(answer: Response) -> Iterator[Json]:
    if answer.reasoning:
        yield {"type": "thinking", "thinking": "".join(answer.reasoning), "signature": SIGNATURE}
    if answer.pieces:
        yield {"type": "text", "text": answer.text}
    for call in answer.tool_calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _streamed(answer: Response) -> Iterator[tuple[Json, list[Json]]]:
    if answer.reasoning:
        yield {"type": "thinking", "thinking": "", "signature": ""}, _thinking_deltas(answer)
    if answer.pieces:
        deltas: list[Json] = [{"type": "text_delta", "text": p} for p in answer.pieces]
        yield {"type": "text", "text": ""}, deltas
    for call in answer.tool_calls:
        start = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        yield start, _argument_deltas(call)


def _thinking_deltas(answer: Response) -> list[Json]:
    thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in answer.reasoning]
    return [*thoughts, {"type": "signature_delta", "signature": SIGNATURE}]


def _argument_deltas(call: ToolCall) -> list[Json]:
    return [{"type": "input_json_delta", "partial_json": f} for f in ("", *call.fragments)]


def _block_events(index: int, start: Json, deltas: list[Json]) -> Iterator[Event]:
    yield _event({"type": "content_block_start", "index": index, "content_block": start})
    for delta in deltas:
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})
