"""
Transcription and speech: ``litellm.transcription`` and ``speech``, sync and async.

https://platform.openai.com/docs/api-reference/audio
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.files import bytes_uri, described
from mlflow_litellm._payloads.hidden_params import number, read_hidden_params
from mlflow_litellm._payloads.response_attributes import failure, make_response, set_response_cost
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "failure", "parse_response", "request"]

# https://docs.litellm.ai/docs/audio_transcription and https://docs.litellm.ai/docs/text_to_speech
RECORDED = frozenset({
    "additional_drop_params", "allowed_openai_params", "chunking_strategy", "diarize",
    "drop_params", "fallbacks", "file", "include", "input", "instructions", "language", "model",
    "num_retries", "prompt", "response_format", "speed", "temperature",
    "timestamp_granularities", "user", "voice",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request, with a description instead of the recording."""
    parsed = request_attributes.request(arguments, RECORDED)
    if "file" in parsed.inputs:
        parsed.inputs["file"] = described(arguments["file"])
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed transcription, or speech with its recording as a data URI."""
    import httpx

    hidden_params = read_hidden_params(response)
    carrier = getattr(response, "response", None)
    is_speech = isinstance(carrier, httpx.Response)
    outputs = _recording(carrier) if is_speech else to_jsonable(response)
    parsed = make_response(outputs, hidden_params, arguments)
    parsed.has_media = is_speech
    seconds = None if is_speech else _seconds(outputs, hidden_params)
    if seconds is not None:
        parsed.attributes["audio_seconds"] = seconds
    set_response_cost(parsed, response, arguments)
    return parsed


def _recording(carrier: Any) -> dict[str, Any]:
    """Return a recording if it has been read; only the caller may read it from the network."""
    import httpx

    kind = str(carrier.headers.get("content-type") or "").partition(";")[0]
    parsed: dict[str, Any] = {"content_type": kind} if kind else {}
    try:
        content = carrier.content
    except httpx.ResponseNotRead:
        return parsed
    parsed["size"] = len(content)
    return {**parsed, "audio": bytes_uri(kind or "audio/mpeg", content)} if content else parsed


def _seconds(outputs: Any, hidden_params: Mapping[str, Any]) -> float | None:
    """Return a recording's length in seconds: as reported, as billed, or as LiteLLM measured it."""
    outputs = outputs if isinstance(outputs, dict) else {}
    usage = outputs.get("usage")
    billed = usage.get("seconds") if isinstance(usage, dict) else None
    parsed = (outputs.get("duration"), billed, hidden_params.get("audio_transcription_duration"))
    return next((number(value) for value in parsed if number(value) is not None), None)
