"""Speech to text and text to speech: the text, and the recording as an attachment."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attachments import content
from litellm.types.llms.openai import HttpxBinaryResponseContent
from provider import HEARD
from provider import SPEECH as SPOKEN
from services import SPEECH, TRANSCRIPTION, assert_priced

from mlflow_litellm._payloads.kinds.table import AUDIO

if TYPE_CHECKING:
    from pathlib import Path

    from callers import Caller
    from traces import Traces

WAV = b"RIFF" + bytes(100_000)


def test_what_was_heard_is_recorded(tracing: Traces, caller: Caller) -> None:
    """The text, the language, the segments and the recording's length are recorded."""
    response = TRANSCRIPTION.call(caller, response_format="verbose_json")
    span = tracing.span()
    assert span.outputs["text"] == response.text == HEARD
    assert span.outputs["language"] == "english"
    assert span.outputs["segments"][0]["end"] == 2.5
    assert span.attributes["audio_seconds"] == 2.5
    assert_priced(span, response)


def test_tokens_of_a_recording_are_counted(tracing: Traces, caller: Caller) -> None:
    """Token counts are recorded for models that are billed by tokens."""
    response = TRANSCRIPTION.call(caller, model="openai/gpt-4o-transcribe")
    span = tracing.span()
    cost = span.attributes["mlflow.llm.cost"]
    assert_priced(span, response)
    assert cost["input_cost"] > 0 < cost["output_cost"]
    assert span.attributes["input_audio_tokens"] == 10
    assert span.attributes["mlflow.chat.tokenUsage"] == {
        "input_tokens": 14,
        "output_tokens": 6,
        "total_tokens": 20,
    }


def test_subtitles_are_recorded_as_text(tracing: Traces, caller: Caller) -> None:
    """The response has only the text of the subtitles."""
    response = TRANSCRIPTION.call(caller, response_format="srt", language="en")
    span = tracing.span()
    assert span.outputs["text"] == response.text
    assert HEARD in response.text
    assert (span.inputs["response_format"], span.inputs["language"]) == ("srt", "en")


@pytest.mark.parametrize(
    ("file", "recorded"),
    [
        (("talk.wav", WAV), {"filename": "talk.wav", "size": len(WAV)}),
        (("talk.wav", io.BytesIO(WAV)), {"filename": "talk.wav", "size": len(WAV)}),
    ],
)
def test_recording_is_described(file: Any, recorded: Any, tracing: Traces, caller: Caller) -> None:
    """The span has only the name and the size; the provider gets the whole file."""
    TRANSCRIPTION.call(caller, file=file)
    assert tracing.span().inputs["file"] == recorded
    assert WAV in caller.provider.requests[-1].raw
    assert len(tracing.one().to_json()) < 20_000


def test_open_file_is_not_read(tracing: Traces, caller: Caller, tmp_path: Path) -> None:
    """The file is not read, and its position does not change."""
    path = tmp_path / "talk.wav"
    path.write_bytes(b"skipped" + WAV)
    with path.open("rb") as file:
        file.seek(7)
        assert AUDIO.request({"file": file}).inputs == {"file": {"filename": "talk.wav"}}
        assert file.tell() == 7
        TRANSCRIPTION.call(caller, file=file)
    assert tracing.span().inputs["file"] == {"filename": "talk.wav"}
    assert WAV in caller.provider.requests[-1].raw


def test_speech_is_an_attachment(tracing: Traces, caller: Caller) -> None:
    """The caller gets the whole response, and the span has the audio as an attachment."""
    response = SPEECH.call(caller, speed=2, response_format="mp3")
    span = tracing.span()
    assert type(response) is HttpxBinaryResponseContent
    assert response.content == SPOKEN
    assert content(span.outputs["audio"]) == ("audio/mpeg", SPOKEN)
    assert (span.outputs["content_type"], span.outputs["size"]) == ("audio/mpeg", len(SPOKEN))
    assert span.inputs == {**SPEECH.arguments, "speed": 2, "response_format": "mp3"}


def test_cost_of_speech_is_litellms_own(tracing: Traces, caller: Caller) -> None:
    """Speech is priced by the character, without tokens."""
    response = SPEECH.call(caller)
    span = tracing.span()
    assert_priced(span, response)
    assert "mlflow.chat.tokenUsage" not in span.attributes


def test_speech_that_is_still_to_come_is_not_read() -> None:
    """A stream can be read only once, and the caller reads it."""

    class Unread(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            raise AssertionError

    head = {"content-type": "audio/wav; charset=binary"}
    carrier = httpx.Response(200, headers=head, stream=Unread())
    told = AUDIO.parse_response(HttpxBinaryResponseContent(carrier), {"model": "openai/tts-1"})
    assert told.outputs == {"content_type": "audio/wav"}
    assert not carrier.is_stream_consumed


def test_silence_is_no_attachment() -> None:
    """Empty audio is not stored."""
    carrier = httpx.Response(200, content=b"")
    told = AUDIO.parse_response(HttpxBinaryResponseContent(carrier), {"model": "openai/tts-1"})
    assert told.outputs == {"size": 0}


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        ({"duration": 2.5, "usage": {"type": "duration", "seconds": 3}}, 2.5),
        ({"usage": {"type": "duration", "seconds": 3}}, 3),
        ({"_hidden_params": {"audio_transcription_duration": 2.0}}, 2.0),
        ({}, None),
        (object(), None),
    ],
)
def test_length_of_a_recording_stands_in_many_places(response: Any, seconds: float | None) -> None:
    """Responses have the length in different fields, and some have none."""
    told = AUDIO.parse_response(response, {"model": "openai/whisper-1"})
    assert told.attributes.get("audio_seconds") == seconds
