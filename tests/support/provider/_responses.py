"""Render responses in the wire format of OpenAI's responses API."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from ._openai import DATED, error_body
from ._scenarios import Event, Failure, Json, Request, Response, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

CREATED = 1_700_000_000


def request(_: str, body: Json) -> Request:
    """Read a request as a chat's, from which the scenario is chosen."""
    asked = body.get("input") or []
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    messages = [_message_of(item) for item in items]
    functions = [{"function": tool} for tool in body.get("tools") or []]
    known = {"messages": messages, "tools": functions, "system": body.get("instructions")}
    return Request({**body, **known})


def body(request: Request, answer: Response) -> Json:
    """Render the JSON of a whole response."""
    return _response(request, answer, "completed", [item for item, _ in _items(answer)])


def events(request: Request, answer: Response) -> Iterator[Event]:
    """Render the server-sent events of a streamed response."""
    numbers = count()
    for kind, content, data in _told(request, answer):
        told = {"type": kind, "sequence_number": next(numbers), **data}
        yield Event(f"event: {kind}\ndata: {json.dumps(told)}\n\n".encode(), content)


def error_event(failure: Failure) -> Event:
    """Render an error in the middle of a stream."""
    error = {"type": "server_error", "code": "server_error", "message": failure.message}
    told = {"type": "error", "sequence_number": 99, "error": {**error, "param": None}}
    return Event(f"event: error\ndata: {json.dumps(told)}\n\n".encode())


def _message_of(item: Json) -> Json:
    """Return an item as a chat message, also a tool call and a tool's result."""
    if item.get("type") == "function_call":
        return {"role": "assistant", "content": None}
    if item.get("type") == "function_call_output":
        return {"role": "tool", "content": item["output"]}
    return {**item, "content": _parts(item.get("content"))}


def _parts(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    return [{**part, "type": part["type"].removeprefix("input_")} for part in content]


def _response(request: Request, answer: Response, status: str, output: list[Json]) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": request.body.get("instructions"),
        "metadata": {},
        "model": DATED.get(request.model, request.model),
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "max_output_tokens": None,
        "reasoning": {"effort": None, "summary": None},
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
        "usage": _usage(answer) if status == "completed" else None,
    }


def _usage(answer: Response) -> Json:
    counted = answer.tokens
    prompt = counted.fresh + counted.cache_read
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": counted.cache_read},
        "output_tokens": counted.completion,
        "output_tokens_details": {"reasoning_tokens": len(answer.reasoning)},
        "total_tokens": prompt + counted.completion,
    }


def _told(request: Request, answer: Response) -> Iterator[tuple[str, bool, Json]]:
    begun = _response(request, answer, "in_progress", [])
    yield "response.created", False, {"response": begun}
    yield "response.in_progress", False, {"response": begun}
    for index, (item, deltas) in enumerate(_items(answer)):
        place = {"output_index": index, "item_id": item["id"]}
        added = {"output_index": index, "item": {**item, **_EMPTY[item["type"]]}}
        yield "response.output_item.added", False, added
        for kind, data in deltas:
            yield f"response.{kind}", kind == "output_text.delta", {**place, **data}
        yield "response.output_item.done", False, {"output_index": index, "item": item}
    yield "response.completed", False, {"response": body(request, answer)}


_EMPTY: dict[str, Json] = {
    "function_call": {"arguments": "", "status": "in_progress"},
    "message": {"content": [], "status": "in_progress"},
    "reasoning": {"summary": []},
}


def _items(answer: Response) -> Iterator[tuple[Json, list[tuple[str, Json]]]]:
    if answer.reasoning:
        yield _reasoning(answer)
    if answer.pieces:
        part = {"type": "output_text", "text": answer.text, "annotations": []}
        yield _message(part, "output_text", answer.pieces)
    if answer.refusal:
        part = {"type": "refusal", "refusal": answer.refusal}
        yield _message(part, "refusal", (answer.refusal,))
    for call in answer.tool_calls:
        yield _function_call(call)


def _reasoning(answer: Response) -> tuple[Json, list[tuple[str, Json]]]:
    part = {"type": "summary_text", "text": "".join(answer.reasoning)}
    place = {"summary_index": 0}
    return {"id": "rs_1", "type": "reasoning", "summary": [part]}, [
        ("reasoning_summary_part.added", {**place, "part": {**part, "text": ""}}),
        *(("reasoning_summary_text.delta", {**place, "delta": p}) for p in answer.reasoning),
        ("reasoning_summary_text.done", {**place, "text": part["text"]}),
        ("reasoning_summary_part.done", {**place, "part": part}),
    ]


def _message(part: Json, kind: str, pieces: tuple[str, ...]) -> tuple[Json, list[tuple[str, Json]]]:
    key, place = kind.removeprefix("output_"), {"content_index": 0}
    said = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant"}
    return {**said, "content": [part]}, [
        ("content_part.added", {**place, "part": {**part, key: ""}}),
        *((f"{kind}.delta", {**place, "delta": piece}) for piece in pieces),
        (f"{kind}.done", {**place, key: part[key]}),
        ("content_part.done", {**place, "part": part}),
    ]


def _function_call(call: ToolCall) -> tuple[Json, list[tuple[str, Json]]]:
    arguments = json.dumps(call.arguments)
    item = {
        "id": call.id.replace("call", "fc"),
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "call_id": call.id,
        "name": call.name,
    }
    return item, [
        *(("function_call_arguments.delta", {"delta": f}) for f in call.fragments),
        ("function_call_arguments.done", {"arguments": arguments}),
    ]


__all__ = ["body", "error_body", "error_event", "events", "request"]
