"""
Other calls to models: decisions, extractions, videos. They are recorded in LiteLLM's shape.

https://docs.litellm.ai/docs/videos and https://platform.openai.com/docs/api-reference/videos
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.bounded import bounded
from mlflow_litellm._payloads.files import described
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.response_attributes import (
    body,
    failure,
    make_response,
    set_response_cost,
)
from mlflow_litellm._payloads.secrets import redact_named_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "failure", "parse_response", "request"]

RECORDED = frozenset({
    "assets", "audio", "characters", "drop_params", "fallbacks", "fields", "guardrails", "image",
    "images", "input", "input_reference", "model", "num_retries", "options", "parameters",
    "prompt", "questions", "reference_date", "resolution", "safety_identifier", "seconds", "size",
    "state", "user", "video", "video_id", "videos",
})  # fmt: skip
_FILES = ("image", "input_reference", "video")
# LiteLLM passes these to the provider unchanged.
_REDACTED_FIELDS = ("assets", "characters", "options", "parameters")


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets. Files are not read."""
    parsed = request_attributes.request(arguments, RECORDED)
    for name in parsed.inputs.keys() & _FILES:
        parsed.inputs[name] = described(arguments[name])
    for name in parsed.inputs.keys() & _REDACTED_FIELDS:
        parsed.inputs[name] = redact_named_secrets(parsed.inputs[name])
    parsed.inputs = {name: bounded(value) for name, value in parsed.inputs.items()}
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a response, recorded as JSON types."""
    outputs = bounded(body(response))
    if isinstance(outputs, dict) and _counts_nothing(outputs.get("usage")):
        # LiteLLM fills in 0 if the provider gave no count.
        outputs.pop("usage", None)
    parsed = make_response(outputs, read_hidden_params(response), arguments)
    set_response_cost(parsed, response, arguments)
    return parsed


def _counts_nothing(usage: Any) -> bool:
    if isinstance(usage, dict):
        return all(map(_counts_nothing, usage.values()))
    return not usage
