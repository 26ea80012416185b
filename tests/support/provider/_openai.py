"""Render responses in the wire format of OpenAI's chat completions."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from ._scenarios import Event, Failure, Json, Request, Response, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._shapes import Told

FINISH = {"stop": "stop", "tool_calls": "tool_calls", "refusal": "content_filter"}
DATED = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
# litellm takes a 401 for a bad request if its type is the usual one for client errors.
KINDS = {401: "authentication_error", 429: "requests"}
CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
DONE = Event(b"data: [DONE]\n\n")


def body(request: Request, answer: Response) -> Json:
    """Render the JSON of a whole response."""
    if answer.shape:
        choices = [_told(i, told) for i, told in enumerate(answer.shape.choices)]
    else:
        choices = [_choice(i, a) for i, a in enumerate(_choices(request, answer))]
    return {
        **_envelope(request, "chat.completion"),
        "choices": [] if answer.quirk == "empty" else choices,
        "usage": _usage(_total(request, answer)),
        **_beside(answer),
    }


def events(request: Request, answer: Response) -> Iterator[Event]:
    """Render the server-sent events of a streamed response."""
    if answer.quirk != "empty":
        for number, chunk in enumerate(_chunks(request, answer)):
            late = answer.quirk == "late-model" and number == 0
            yield _event({**chunk, "model": ""} if late else chunk)
        if request.include_usage:
            usage = _each(answer, len(answer.pieces)) or _usage(_total(request, answer))
            yield _event(
                {**_envelope(request, "chat.completion.chunk"), "choices": [], "usage": usage}
            )
    yield DONE


def error_body(failure: Failure) -> Json:
    """Render the JSON of an error."""
    usual = "server_error" if failure.status >= 500 else "invalid_request_error"
    kind, code = KINDS.get(failure.status, usual), CODES.get(failure.status)
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": code}}


def error_event(failure: Failure) -> Event:
    """Render an error in the middle of a stream."""
    return _event(error_body(failure))


def _event(data: Json) -> Event:
    content = any(c["delta"].get("content") for c in data.get("choices", []))
    return Event(b"data: " + json.dumps(data).encode() + b"\n\n", content)


def _envelope(request: Request, kind: str) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 1_700_000_000,
        "model": DATED.get(request.model, request.model),
        "system_fingerprint": "fp_1",
    }


def _choices(request: Request, answer: Response) -> list[Response]:
    if answer.quirk != "choices":
        return [answer]
    return [replace(answer, pieces=("ans", "wer", f" {i}")) for i in range(request.n)]


def _total(request: Request, answer: Response) -> Usage:
    said = sum(len(a.text.split()) for a in _choices(request, answer))
    return replace(answer.tokens, completion=said) if answer.quirk == "choices" else answer.tokens


def _usage(usage: Usage) -> Json:
    prompt = usage.fresh + usage.cache_read
    counts: Json = {
        "prompt_tokens": prompt,
        "completion_tokens": usage.completion,
        "total_tokens": prompt + usage.completion,
    }
    if usage.cache_read:
        counts["prompt_tokens_details"] = {"cached_tokens": usage.cache_read}
    return counts


def _each(answer: Response, said: int) -> Json | None:
    return _usage(Usage(7, max(1, said))) if answer.quirk == "usage-each" else None


def _choice(index: int, answer: Response) -> Json:
    return {
        "index": index,
        "message": _message(answer),
        "logprobs": _logprobs(answer, answer.pieces),
        "finish_reason": FINISH[answer.finish],
    }


def _message(answer: Response) -> Json:
    message: Json = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.finish == "stop":
        message["content"] = answer.text
    if answer.refusal:
        message["refusal"] = answer.refusal
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    if answer.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in answer.tool_calls]
    return message


def _tool_call(call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _logprobs(answer: Response, tokens: tuple[str, ...]) -> Json | None:
    if answer.quirk != "logprobs" or not tokens:
        return None
    entries = [{"token": t, "logprob": -0.25, "bytes": list(t.encode())} for t in tokens]
    return {"content": [{**e, "top_logprobs": [e]} for e in entries], "refusal": None}


def _told(index: int, told: Told) -> Json:
    message = {"role": "assistant", **told.message}
    return {"index": index, "message": message, "finish_reason": told.finish, **told.extras}


def _told_parts(index: int, told: Told) -> Iterator[Json]:
    yield from (_part(index, delta) for delta in told.deltas)
    yield {**_part(index, {}, finish=told.finish), **told.extras}


def _beside(answer: Response) -> Json:
    return answer.shape.extras if answer.shape else {}


def _chunks(request: Request, answer: Response) -> Iterator[Json]:
    said, beside = 0, _beside(answer)
    for choice in _interleaved(request, answer):
        said += bool(choice["delta"].get("content"))
        chunk = {**_envelope(request, "chat.completion.chunk"), **beside, "choices": [choice]}
        usage = _each(answer, said)
        # The real API sends a null usage in every chunk once the final one is asked for.
        yield {**chunk, "usage": usage} if usage or request.include_usage else chunk


def _interleaved(request: Request, answer: Response) -> Iterator[Json]:
    if answer.shape:
        columns = [_told_parts(i, told) for i, told in enumerate(answer.shape.choices)]
    else:
        columns = [_parts(i, a) for i, a in enumerate(_choices(request, answer))]
    return (part for row in zip_longest(*columns) for part in row if part is not None)


def _parts(index: int, answer: Response) -> Iterator[Json]:
    for delta in _deltas(answer):
        tokens = (delta["content"],) if delta.get("content") else ()
        yield _part(index, delta, logprobs=_logprobs(answer, tokens))
    yield _part(index, {}, finish=FINISH[answer.finish])


def _part(
    index: int, delta: Json, *, logprobs: Json | None = None, finish: str | None = None
) -> Json:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def _deltas(answer: Response) -> Iterator[Json]:
    yield {"role": "assistant", "content": "" if answer.finish == "stop" else None}
    yield from ({"reasoning_content": piece} for piece in answer.reasoning)
    yield from ({"content": piece} for piece in answer.pieces)
    if answer.refusal:
        yield {"refusal": answer.refusal}
    fragments = _odd_fragments if answer.quirk == "odd-tools" else _fragments
    rows = zip_longest(*(fragments(i, call) for i, call in enumerate(answer.tool_calls)))
    yield from ({"tool_calls": [fragment]} for fragment in chain(*rows) if fragment)


def _fragments(index: int, call: ToolCall) -> list[Json]:
    function = {"name": call.name, "arguments": ""}
    first = {"index": index, "id": call.id, "type": "function", "function": function}
    return [first, *({"index": index, "function": {"arguments": f}} for f in call.fragments)]


def _odd_fragments(index: int, call: ToolCall) -> list[Json]:
    rest = _fragments(index, call)[1:]
    odd = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": None}}
    return [odd, *({**fragment, "id": call.id} for fragment in rest)]
