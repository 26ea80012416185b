"""
Pictures made and changed: ``image_generation``, ``image_edit``, ``image_variation``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/images
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.files import picture, picture_uri
from mlflow_litellm._payloads.hidden_params import hidden_params
from mlflow_litellm._payloads.media import cleaned_data, dicts
from mlflow_litellm._payloads.response_attributes import describe, failure, tell_answer_cost
from mlflow_litellm._payloads.serialize import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Answer, Request

__all__ = ["RECORDED", "answer", "failure", "request"]

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
    """Return what a call asked for, by its arguments' names; pictures are not read from."""
    told = request_attributes.request(arguments, RECORDED)
    for name in _FILES:
        if name in told.inputs:
            told.has_media = True
            told.inputs[name] = picture(arguments[name])
    return told


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what an ``ImageResponse`` says; of anything else, its plain data."""
    outputs = plain(response)
    told = describe(outputs, hidden_params(response), arguments)
    if isinstance(outputs, dict):
        told.has_media = bool(outputs.get("data"))
        outputs["data"] = [_cleaned(item) for item in dicts(outputs.get("data"))]
        if told.usage is None:
            # LiteLLM fills in 0 where the provider counted nothing.
            outputs.pop("usage", None)
    tell_answer_cost(told, response, arguments)
    return told


def _cleaned(entry: dict[str, Any]) -> dict[str, Any]:
    content = entry.pop("b64_json", None)
    told: dict[str, Any] = cleaned_data(entry)
    return {**told, "b64_json": picture_uri(content)} if isinstance(content, str) else told
