"""Other calls to models, recorded without further processing: videos, decisions, extractions."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from kinds import SECRET, call, is_async, without
from mlflow.entities import SpanStatusCode

from mlflow_litellm._payloads.kinds.table import OTHER

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

QUESTION = {"type": "noul", "instructions": "Is it?"}
ASKED = {
    "video_generation": {"model": "openai/sora-2", "prompt": "a cat", "seconds": "4"},
    "video_remix": {"video_id": "video_0", "prompt": "a cat"},
    "video_edit": {"video_id": "video_0", "prompt": "a cat"},
    "video_extension": {"video_id": "video_0", "prompt": "a cat", "seconds": "4"},
    "systemone": {"model": "perplexity/d", "state": "a cat", "questions": {"ok": QUESTION}},
    "extraction": {
        "model": "cloudflare/d",
        "state": "a cat",
        "fields": {"animal": {"type": "text"}},
    },
    "decisions": {
        "model": "perplexity/d",
        "input": "a cat",
        "questions": [{"type": "predicate", "name": "ok", "instructions": "Is it?"}],
    },
}
KINDS = [name for name in ASKED if hasattr(litellm, name)]
VIDEOS = [name for name in KINDS if name.startswith("video")]

needs_videos = pytest.mark.skipif(not VIDEOS, reason="LiteLLM makes no videos")


def ask(caller: Caller, name: str, **kwargs: Any) -> Any:
    """Make a call with the usual arguments, or with others."""
    known = {"api_base": caller.provider.openai_base, "api_key": SECRET}
    if name in VIDEOS:
        # Some calls for a video have no model.
        known["custom_llm_provider"] = "openai"
    return call(caller, name, **{**known, **ASKED[name], **kwargs})


@pytest.mark.parametrize("name", KINDS)
def test_call_is_one_llm_span(name: str, tracing: Traces, caller: Caller) -> None:
    """The request and the response are recorded as JSON types."""
    response = ask(caller, name)
    span = tracing.span()
    prefix = "a" if is_async(caller) else ""
    assert (span.name, span.span_type) == (f"litellm-{prefix}{name}", "LLM")
    assert span.inputs == ASKED[name]
    answered = without(response.model_dump(exclude_none=True, mode="json"), "usage")
    assert without(span.outputs, "usage") == answered
    counted = name in {"extraction", "video_generation", "video_remix"}
    assert ("usage" in span.outputs) is counted
    model = ASKED[name].get("model", "openai/sora-2")
    assert span.attributes["mlflow.llm.provider"] == model.partition("/")[0]
    # Some responses have the model from the request.
    assert model.endswith(span.attributes["mlflow.llm.model"])
    assert SECRET not in tracing.one().to_json()


@pytest.mark.parametrize("name", KINDS)
def test_call_that_fails_is_an_error(name: str, tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own."""
    [text] = ASKED[name].keys() & {"input", "prompt", "state"}
    with pytest.raises(litellm.RateLimitError):
        ask(caller, name, **{text: "/error 429"})
    assert tracing.span().status.status_code == SpanStatusCode.ERROR
    assert SECRET not in tracing.one().to_json()


@needs_videos
def test_video_is_priced_as_litellm_does(tracing: Traces, caller: Caller) -> None:
    """A video is priced by its seconds, without tokens."""
    response = ask(caller, "video_generation")
    span = tracing.span()
    cost = span.attributes["mlflow.llm.cost"]["total_cost"]
    assert cost == response._hidden_params["response_cost"] > 0
    assert "mlflow.chat.tokenUsage" not in span.attributes


@needs_videos
def test_files_are_described_and_not_read(tracing: Traces, caller: Caller) -> None:
    """Only LiteLLM reads the files."""
    picture = io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(5000))
    ask(caller, "video_generation", input_reference=picture)
    assert tracing.span().inputs["input_reference"] == {"size": 5008}
    assert caller.provider.requests[-1].raw.count(bytes(5000)) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"images": ["A" * 4000]}, {"images": ["<base64: 4000 characters>"]}),
        (
            {"images": [{"data": "A" * 4000, "media_type": "image/png"}]},
            {"images": [{"data": "<base64: 4000 characters>", "media_type": "image/png"}]},
        ),
        (
            {"image": {"bytesBase64Encoded": "A" * 4000}},
            {"image": {"bytesBase64Encoded": "<base64: 4000 characters>"}},
        ),
        (
            {"audio": ["data:audio/wav;base64," + "A" * 4000]},
            {"audio": ["<data:audio/wav;base64: 4022 characters>"]},
        ),
        (
            {"parameters": {"apiKey": "hush", "n": 1}},
            {"parameters": {"apiKey": "[REDACTED]", "n": 1}},
        ),
        (
            {"images": ["https://example.com/a.png?sig=hush"]},
            {"images": ["https://example.com/a.png?sig=[REDACTED]"]},
        ),
        ({"prompt": "word " * 1000}, {"prompt": "word " * 1000}),
    ],
)
def test_what_is_no_text_is_described(given: dict[str, Any], told: dict[str, Any]) -> None:
    """Base64 is recorded by its size, and secrets are redacted."""
    assert OTHER.request(given).inputs == told


def test_keys_and_headers_are_not_recorded() -> None:
    """Only the documented parameters are recorded."""
    given = {"prompt": "a cat", "api_key": "hush", "extra_headers": {}, "extra_body": {}}
    assert OTHER.request({**given, "client": object()}).inputs == {"prompt": "a cat"}
