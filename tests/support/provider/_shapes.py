"""Responses that only OpenAI's format has, whole and in the deltas of a stream."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """Hold one choice, and the deltas of its stream."""

    message: Json
    deltas: tuple[Json, ...]
    finish: str = "stop"
    extras: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """Hold a response's choices, and further fields of the body and of each chunk."""

    choices: tuple[Told, ...]
    extras: Json = field(default_factory=dict)


def _said(*deltas: Json, finish: str = "stop", **message: Any) -> Told:
    return Told(message, deltas, finish)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


SOUND = bytes(range(256)) * 3
PICTURES = tuple(b"\x89PNG\r\n\x1a\n" + bytes([number]) * 64 for number in range(2))
# Cut at positions that are no multiple of three bytes, so that each piece is padded.
SOUND_PIECES = (SOUND[:100], SOUND[100:299], SOUND[299:])
TRANSCRIPT = ("Hello ", "from the ", "loudspeaker.")
TEXT = ("Paris is ", "warm.")
CITATION = {
    "type": "url_citation",
    "url_citation": {
        "url": "https://example.com/paris",
        "title": "Paris",
        "start_index": 0,
        "end_index": 5,
    },
}
GROUNDS: Json = {"grounding": {"queries": ["paris"], "score": 0.5}, "region": "eu"}
QUOTES = tuple({"type": "char_location", "cited_text": text} for text in TEXT)
FOUND = tuple({"type": "web_search_tool_result", "tool_use_id": f"srv_{n}"} for n in range(2))
THOUGHT = {"type": "thinking", "thinking": "Let me think.", "signature": "sig=="}
REDACTED_THOUGHT = {"type": "redacted_thinking", "data": "opaque=="}
REASONING_ITEM = {
    "type": "reasoning",
    "id": "rs_1",
    "encrypted_content": "opaque==",
    "summary": [{"type": "summary_text", "text": "Let me think."}],
}


def _text_deltas(**last: Any) -> tuple[Json, ...]:
    return ({"role": "assistant", "content": ""}, *({"content": t} for t in TEXT), last)


def _thinking_deltas() -> tuple[Json, ...]:
    pieces = ({"thinking": "Let me ", "signature": ""}, {"thinking": "think.", "signature": ""})
    signed = {"thinking": "", "signature": "sig=="}
    return (
        {"role": "assistant", "content": None},
        *({"reasoning_content": piece["thinking"]} | _thinks(piece) for piece in pieces),
        _thinks(signed),
        {"thinking_blocks": [REDACTED_THOUGHT]},
        *({"content": t} for t in TEXT),
    )


def _thinks(piece: Json) -> Json:
    return {"thinking_blocks": [{"type": "thinking", **piece}]}


def _picture(number: int) -> Json:
    url = f"data:image/png;base64,{_encoded(PICTURES[number])}"
    return {"type": "image_url", "index": number, "image_url": {"url": url}}


def _custom(call: int, text: str = "", **first: Any) -> Json:
    return {"tool_calls": [{"index": call, **first, "custom": {**_named(first), "input": text}}]}


def _named(first: Json) -> Json:
    return {"name": "run"} if first else {}


_AUDIO = {"id": "audio_1", "expires_at": 1_800_000_000}
_WHOLE = "".join(TEXT)

SHAPES: dict[str, Shape] = {
    "annotations": Shape((
        _said(*_text_deltas(annotations=[CITATION]), content=_WHOLE, annotations=[CITATION]),
    )),
    "audio": Shape((
        _said(
            {"role": "assistant", "content": None, "audio": {"id": "audio_1"}},
            *({"audio": {"id": "audio_1", "transcript": text}} for text in TRANSCRIPT),
            *({"audio": {"id": "audio_1", "data": _encoded(piece)}} for piece in SOUND_PIECES),
            {"audio": _AUDIO},
            content=None,
            audio={**_AUDIO, "data": _encoded(SOUND), "transcript": "".join(TRANSCRIPT)},
        ),
    )),
    "beside": Shape(
        (_said(*_text_deltas(), content=_WHOLE),),
        {
            "service_tier": "default",
            "citations": ["https://example.com/paris"],
            "search_results": [{"title": "Paris", "url": "https://example.com/paris"}],
        },
    ),
    "choice-fields": Shape((
        Told({"content": _WHOLE}, _text_deltas(), extras={"stop_reason": "END", "token_ids": [1]}),
    )),
    "cited": Shape((
        _said(
            *_text_deltas(provider_specific_fields={"citation": QUOTES[0], "region": "eu"}),
            {"provider_specific_fields": {"web_search_results": [FOUND[0]]}},
            {"provider_specific_fields": {"citation": QUOTES[1], "region": "eu"}},
            {"provider_specific_fields": {"web_search_results": [*FOUND]}},
            content=_WHOLE,
            provider_specific_fields={
                "citations": [[*QUOTES]],
                "region": "eu",
                "web_search_results": [*FOUND],
            },
        ),
    )),
    "custom-tools": Shape((
        _said(
            {"role": "assistant", "content": None},
            _custom(0, id="call_1", type="custom"),
            _custom(1, id="call_2", type="custom"),
            _custom(0, "print("),
            _custom(1, "1 +"),
            _custom(0, "1)"),
            _custom(1, " 1"),
            finish="tool_calls",
            content=None,
            tool_calls=[
                {"id": "call_1", "type": "custom", "custom": {"name": "run", "input": "print(1)"}},
                {"id": "call_2", "type": "custom", "custom": {"name": "run", "input": "1 + 1"}},
            ],
        ),
    )),
    "filtered": Shape((
        _said({"role": "assistant", "content": None}, finish="content_filter", content=None),
    )),
    "finishes": Shape((
        _said(*_text_deltas(), content=_WHOLE),
        _said({"role": "assistant", "content": "Paris"}, finish="length", content="Paris"),
        _said({"role": "assistant", "content": None}, finish="content_filter", content=None),
    )),
    "function-call": Shape((
        _said(
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "get_time", "arguments": ""},
            },
            {"function_call": {"arguments": '{"zone"'}},
            {"function_call": {"arguments": ': "CET"}'}},
            finish="function_call",
            content=None,
            function_call={"name": "get_time", "arguments": '{"zone": "CET"}'},
        ),
    )),
    "images": Shape((
        _said(
            *_text_deltas(images=[_picture(0)]),
            {"images": [_picture(1)]},
            content=_WHOLE,
            images=[_picture(0), _picture(1)],
        ),
    )),
    "provider-fields": Shape((
        _said(
            *_text_deltas(provider_specific_fields=GROUNDS),
            content=_WHOLE,
            provider_specific_fields=GROUNDS,
        ),
    )),
    "reasoning-items": Shape((
        _said(
            {"role": "assistant", "content": None, "reasoning_content": "Let me "},
            {"reasoning_content": "think.", "reasoning_items": [REASONING_ITEM]},
            *_text_deltas(),
            content=_WHOLE,
            reasoning_content="Let me think.",
            reasoning_items=[REASONING_ITEM],
        ),
    )),
    "thinking": Shape((
        _said(
            *_thinking_deltas(),
            content=_WHOLE,
            reasoning_content="Let me think.",
            thinking_blocks=[THOUGHT, REDACTED_THOUGHT],
        ),
    )),
}  # fmt: skip
