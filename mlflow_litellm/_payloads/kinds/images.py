"""
Images: ``image_generation``, ``image_edit``, ``image_variation``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/images
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.files import picture, picture_uri
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import dicts, redact_data
from mlflow_litellm._payloads.response_attributes import failure, make_response, set_response_cost
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "failure", "parse_response", "request"]

# https://docs.litellm.ai/docs/image_generation and https://docs.litellm.ai/docs/image_edits
RECORDED = frozenset({
    "additional_drop_params", "allowed_openai_params", "aspect_ratio", "background",
    "drop_params", "fallbacks", "guidance", "guidance_scale", "height", "image", "imageConfig",
    "image_prompt_strength", "input_fidelity", "mask", "model", "moderation", "n",
    "negative_prompt", "num_images", "num_retries", "output_compression", "output_format",
    "prompt", "prompt_upsampling", "quality", "response_format", "safety_tolerance", "seed",
    "size", "steps", "style", "user", "width",
})  # fmt: skip

_FILES = ("image", "mask")


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets. Files are not read."""
    parsed = request_attributes.request(arguments, RECORDED)
    for name in _FILES:
        if name in parsed.inputs:
            parsed.has_media = True
            parsed.inputs[name] = picture(arguments[name])
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``ImageResponse``; other responses become JSON types."""
    outputs = to_jsonable(response)
    parsed = make_response(outputs, read_hidden_params(response), arguments)
    if isinstance(outputs, dict):
        parsed.has_media = bool(outputs.get("data"))
        outputs["data"] = [_redact(item) for item in dicts(outputs.get("data"))]
        if parsed.usage is None:
            # LiteLLM fills in 0 if the provider gave no count.
            outputs.pop("usage", None)
    set_response_cost(parsed, response, arguments)
    return parsed


def _redact(entry: dict[str, Any]) -> dict[str, Any]:
    content = entry.pop("b64_json", None)
    parsed: dict[str, Any] = redact_data(entry)
    return {**parsed, "b64_json": picture_uri(content)} if isinstance(content, str) else parsed
