"""
Gemini's own calls: ``litellm.agenerate_content`` and the functions of ``litellm.google_genai``.

The shapes are Google's, which LiteLLM keeps for every provider:
https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import hidden_params
from mlflow_litellm._payloads.media import cleaned_data
from mlflow_litellm._payloads.outputs import contents
from mlflow_litellm._payloads.response_attributes import (
    body,
    failure,
    tell_answer_cost,
    tell_stream_cost,
)
from mlflow_litellm._payloads.secrets import cleaned
from mlflow_litellm._payloads.streams.generate_content_stream import Accumulator
from mlflow_litellm._payloads.tools import chat_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Answer, Request

__all__ = ["RECORDED", "Accumulator", "answer", "failure", "request"]

# https://ai.google.dev/api/generate-content#request-body and
# https://docs.litellm.ai/docs/generateContent
RECORDED = frozenset({
    "cachedContent", "config", "contents", "drop_params", "fallbacks", "generationConfig",
    "guardrails", "model", "num_retries", "safetySettings", "stream", "systemInstruction",
    "system_instruction", "toolConfig", "tools",
})  # fmt: skip
# Of a configuration, what is no secret by whatever name: a schema's fields, and tools, which
# are cleaned as the call's own.
_SCHEMAS = frozenset({
    "responseJsonSchema", "responseSchema", "response_json_schema", "response_schema",
})  # fmt: skip
_CONFIGS = ("config", "generationConfig")


def request(arguments: Mapping[str, Any]) -> Request:
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    told = request_attributes.request(arguments, RECORDED)
    told.message_format = "gemini"
    for name in _CONFIGS:
        if isinstance(config := told.inputs.get(name), dict):
            told.inputs[name] = _cleaned_config(config)
            told.tools = told.tools or told.inputs[name].get("tools")
    told.tools = chat_tools(told.tools)
    if contents.hold_media(told.inputs.get("contents")):
        told.has_media = True
        told.inputs["contents"] = cleaned_data(told.inputs["contents"])
    return told


def _cleaned_config(config: dict[str, Any]) -> dict[str, Any]:
    schemas = {key: config[key] for key in _SCHEMAS & config.keys()}
    tools = request_attributes.cleaned_definitions(config["tools"]) if "tools" in config else None
    return {**cleaned(config), **schemas, **({"tools": tools} if tools else {})}


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what a ``GenerateContentResponse``, or a dict like it, says."""
    hidden = hidden_params(response)
    told = contents.describe(body(response), hidden, arguments)
    tell_answer_cost(told, response, arguments)
    # LiteLLM tells no cost with a dict.
    tell_stream_cost(told, None, hidden, arguments)
    return told
