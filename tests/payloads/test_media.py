"""Pictures, audio and files become attachments of the trace, not megabytes in its span."""

from __future__ import annotations

import base64
import copy
import json
import random
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from attachments import content, contents, references, size
from callers import ANTHROPIC
from provider._shapes import PICTURES, SOUND
from traces import answer_text

from mlflow_litellm._payloads.kinds.table import CHAT
from mlflow_litellm._payloads.media import redact_media

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

MEGABYTE = 1_000_000


def noise(count: int) -> bytes:
    """Return deterministic pseudo-random bytes."""
    return random.Random(count).randbytes(count)


def encoded(data: bytes) -> str:
    """Return base64."""
    return base64.b64encode(data).decode("ascii")


def uri(kind: str, data: bytes) -> str:
    """Return a data URI."""
    return f"data:{kind};base64,{encoded(data)}"


PNG = b"\x89PNG\r\n\x1a\n" + noise(5 * MEGABYTE)
CLIP = noise(50_000)
LINES = base64.encodebytes(CLIP).decode("ascii")
URL_SAFE = base64.urlsafe_b64encode(CLIP).decode("ascii").rstrip("=")

PARTS: dict[str, tuple[Any, str]] = {
    "picture": (
        {"type": "image_url", "image_url": {"url": uri("image/png", CLIP)}},
        "image/png",
    ),
    "picture, as a bare text": (
        {"type": "image_url", "image_url": uri("image/png", CLIP)},
        "image/png",
    ),
    "audio": (
        {"type": "input_audio", "input_audio": {"data": encoded(CLIP), "format": "wav"}},
        "audio/wav",
    ),
    "file": (
        {"type": "file", "file": {"file_data": uri("application/pdf", CLIP), "filename": "a.pdf"}},
        "application/pdf",
    ),
    "file of base64 alone": (
        {"type": "file", "file": {"file_data": encoded(CLIP), "filename": "a.pdf"}},
        "application/pdf",
    ),
    "file of a format": (
        {"type": "file", "file": {"file_data": encoded(CLIP), "format": "video/mp4"}},
        "video/mp4",
    ),
    "file of no kind": (
        {"type": "file", "file": {"file_data": encoded(CLIP)}},
        "application/octet-stream",
    ),
    "file in lines": ({"type": "file", "file": {"file_data": LINES}}, "application/octet-stream"),
    "file in the alphabet of URLs": (
        {"type": "file", "file": {"file_data": f"data:image/gif;base64,{URL_SAFE}"}},
        "image/gif",
    ),
    "video": (
        {"type": "video_url", "video_url": {"url": uri("video/mp4", CLIP)}},
        "video/mp4",
    ),
    "Anthropic's document": (
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": encoded(CLIP)},
        },
        "application/pdf",
    ),
}
# LiteLLM accepts these from all roles except the user.
NATIVE: dict[str, tuple[Any, str]] = {
    "Anthropic's picture": (
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/jpeg", "data": encoded(CLIP)},
        },
        "image/jpeg",
    ),
    "Gemini's data": (
        {"inlineData": {"mimeType": "audio/mpeg", "data": encoded(CLIP)}},
        "audio/mpeg",
    ),
    "Bedrock's document": (
        {"document": {"format": "pdf", "name": "a", "source": {"bytes": encoded(CLIP)}}},
        "application/pdf",
    ),
}


def asked(*parts: Any) -> list[dict[str, Any]]:
    """Return a user's message with the given parts."""
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]


def test_large_picture_is_an_attachment(tracing: Traces, caller: Caller) -> None:
    """The provider and the caller get the picture unchanged, and the span stays small."""
    messages = asked({"type": "image_url", "image_url": {"url": uri("image/png", PNG)}})
    before = copy.deepcopy(messages)
    caller.complete("", messages=messages)
    span = tracing.span()
    assert contents(span.inputs) == [("image/png", PNG)]
    assert size(span) < 20_000
    assert caller.provider.requests[-1].body["messages"] == messages == before
    assert answer_text(span) == "You said: What is it?"


@pytest.mark.parametrize(("part", "kind"), PARTS.values(), ids=PARTS)
def test_media_become_attachments(part: Any, kind: str, tracing: Traces, caller: Caller) -> None:
    """Media of any shape become attachments, with a reference in the same place of the inputs."""
    messages = asked(part)
    before = copy.deepcopy(messages)
    caller.complete("", messages=messages, mock_response="A clip.")
    span = tracing.span()
    assert contents(span.inputs) == [(kind, CLIP)]
    assert size(span) < 20_000
    assert messages == before
    assert span.inputs["messages"][0]["content"][1].keys() >= part.keys()


@pytest.mark.parametrize(("part", "kind"), NATIVE.values(), ids=NATIVE)
def test_media_of_a_providers_own_shape_become_attachments(
    part: Any, kind: str, tracing: Traces, caller: Caller
) -> None:
    """Provider-specific media become attachments. LiteLLM refuses some from a user only."""
    caller.complete("", messages=[{"role": "assistant", "content": [part]}], mock_response="So?")
    assert contents(tracing.span().inputs) == [(kind, CLIP)]
    assert size(tracing.span()) < 20_000


def test_picture_in_the_result_of_a_tool_is_an_attachment(tracing: Traces, caller: Caller) -> None:
    """A picture in a tool result, which Anthropic accepts, becomes an attachment."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    picture = {"type": "image_url", "image_url": {"url": uri("image/png", CLIP)}}
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": [picture]},
        {"role": "user", "content": "And?"},
    ]
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    caller.complete("", model=ANTHROPIC, messages=messages, tools=tools)
    assert encoded(CLIP) in json.dumps(caller.provider.requests[-1].body)
    assert contents(tracing.span().inputs) == [("image/png", CLIP)]


@pytest.mark.parametrize("streams", [False, True])
def test_media_of_an_answer_are_attachments(streams: bool, tracing: Traces, caller: Caller) -> None:
    """Audio and pictures in a response become attachments, streamed or not."""
    for shape in ("audio", "images"):
        (caller.stream if streams else caller.complete)(f"/shape {shape}")
    audio, pictures = (contents(span.outputs) for span in tracing.calls())
    assert audio == [("audio/wav", SOUND)]
    assert pictures == [("image/png", picture) for picture in PICTURES]


@pytest.mark.parametrize("streams", [False, True])
def test_picture_that_is_the_text_of_an_answer_is_no_text(
    streams: bool, tracing: Traces, caller: Caller
) -> None:
    """A picture in a response's text, as a data URI alone or in Markdown, becomes an attachment."""
    picture = uri("image/png", CLIP)
    for text in (picture, f"Look: ![cat]({picture})"):
        (caller.stream if streams else caller.complete)(f"/say | {text}")
    whole, within = tracing.calls()
    assert contents(whole.outputs) == [("image/png", CLIP)]
    assert answer_text(within) == f"Look: ![cat](<image/png: {len(picture)} characters>)"
    assert max(size(whole), size(within)) < 20_000


def test_answer_that_is_sent_back_has_attachments(tracing: Traces, caller: Caller) -> None:
    """Media in a LiteLLM message that the user appends to the next request become attachments."""
    said = caller.complete("/shape images").choices[0].message
    caller.complete("", messages=[said, *asked()], mock_response="Yes.")
    assert [data for _, data in contents(tracing.calls()[1].inputs)] == list(PICTURES)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "!" * MEGABYTE}},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml," + "%20" * MEGABYTE}},
        {"type": "file", "file": {"file_data": "A" * MEGABYTE + "A"}},
        {"type": "input_audio", "input_audio": {"data": "?" * MEGABYTE, "format": "mp3"}},
    ],
)
def test_media_that_cannot_be_decoded_are_described(
    part: Any, tracing: Traces, caller: Caller
) -> None:
    """Media that cannot be decoded are recorded as their kind and length."""
    caller.complete("", messages=asked(part), mock_response="A clip.")
    span = tracing.span()
    assert " characters>" in json.dumps(span.inputs)
    assert size(span) < 20_000


def test_picture_in_the_midst_of_a_text_is_described(tracing: Traces, caller: Caller) -> None:
    """A Markdown picture inside a text is recorded as a description, and its context is kept."""
    text = f"Look: ![cat]({uri('image/png', noise(MEGABYTE))}) Nice?"
    caller.complete(text, mock_response="Yes.")
    caller.complete("", messages=asked({"type": "text", "text": text}), mock_response="Yes.")
    to_jsonable, parts = (span.inputs["messages"][0]["content"] for span in tracing.calls())
    assert to_jsonable == parts[1]["text"]
    assert to_jsonable.startswith("Look: ![cat](<image/png: 13")
    assert to_jsonable.endswith(" characters>) Nice?")


def test_document_of_text_stays_text() -> None:
    """Anthropic's plain text documents, which use the field of base64 data, stay text."""
    told = "It was a dark and stormy night. " * 100
    source = {"type": "text", "media_type": "text/plain", "data": told}
    messages = [{"role": "user", "content": [{"type": "document", "source": source}]}]
    assert redact_media(messages) == messages


def test_extraction_switched_off_costs_no_trace(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If MLflow's attachments are disabled, the picture stays in the span."""
    monkeypatch.setenv("MLFLOW_TRACE_EXTRACT_ATTACHMENTS", "false")
    part, _ = PARTS["picture"]
    caller.complete("", messages=asked(part))
    assert tracing.span().inputs["messages"] == asked(part)
    assert answer_text(tracing.span()) == "You said: What is it?"


def test_attachments_over_the_limit_cost_no_trace(
    tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If an attachment exceeds MLflow's limit, MLflow's notice is recorded in its place."""
    monkeypatch.setenv("MLFLOW_TRACE_MAX_ATTACHMENT_SIZE", "100")
    part, _ = PARTS["picture"]
    caller.complete("", messages=asked(part))
    span = tracing.span()
    assert "too large" in span.inputs["messages"][0]["content"][1]["image_url"]["url"]
    assert answer_text(span) == "You said: What is it?"
    assert size(span) < 20_000


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "What is base64?"}],
        asked(),
        [litellm.Message(content="hello")],
        [{"role": "assistant", "content": "hello", "audio": None, "images": None}],
        [{"role": "assistant", "content": [{"type": "redacted_thinking", "data": "A" * 2000}]}],
        [{"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {}}]}],
    ],
)
def test_text_alone_is_not_searched_for_attachments(messages: Any) -> None:
    """Texts are not searched for attachments, as this would double the cost of recording."""
    assert not CHAT.request({"messages": messages}).has_media


def test_reference_of_an_attachment_says_its_kind(tracing: Traces, caller: Caller) -> None:
    """An attachment's reference contains its media type, which MLflow's UI needs to show it."""
    part, _ = PARTS["file of a format"]
    caller.complete("", messages=asked(part), mock_response="A clip.")
    [reference] = references(tracing.span().inputs)
    assert "content_type=video%2Fmp4" in reference
    assert content(reference) == ("video/mp4", CLIP)
