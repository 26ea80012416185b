"""
Gemini's own calls: ``litellm.agenerate_content`` and the functions of ``litellm.google_genai``.

The shapes are Google's, which LiteLLM keeps for every provider:
https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import redact_data
from mlflow_litellm._payloads.outputs import contents
from mlflow_litellm._payloads.response_attributes import (
    body,
    failure,
    set_response_cost,
    set_stream_cost,
)
from mlflow_litellm._payloads.secrets import redact_named_secrets
from mlflow_litellm._payloads.streams.generate_content_stream import Accumulator
from mlflow_litellm._payloads.tools import chat_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "Accumulator", "failure", "parse_response", "request"]

# https://ai.google.dev/api/generate-content#request-body and
# https://docs.litellm.ai/docs/generateContent
RECORDED = frozenset({
    "cachedContent", "config", "contents", "drop_params", "fallbacks", "generationConfig",
    "guardrails", "model", "num_retries", "safetySettings", "stream", "systemInstruction",
    "system_instruction", "toolConfig", "tools",
})  # fmt: skip
# The keys of schemas in a configuration: a schema's fields are no secrets, under any name. Tools
# in a configuration are redacted like the call's own tools.
_SCHEMAS = frozenset({
    "responseJsonSchema", "responseSchema", "response_json_schema", "response_schema",
})  # fmt: skip
_CONFIGS = ("config", "generationConfig")


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets."""
    parsed = request_attributes.request(arguments, RECORDED)
    parsed.message_format = "gemini"
    for name in _CONFIGS:
        if isinstance(config := parsed.inputs.get(name), dict):
            parsed.inputs[name] = _redact_config(config)
            parsed.tools = parsed.tools or parsed.inputs[name].get("tools")
    parsed.tools = chat_tools(parsed.tools)
    if contents.hold_media(parsed.inputs.get("contents")):
        parsed.has_media = True
        parsed.inputs["contents"] = redact_data(parsed.inputs["contents"])
    return parsed


def _redact_config(config: dict[str, Any]) -> dict[str, Any]:
    schemas = {key: config[key] for key in _SCHEMAS & config.keys()}
    tools = request_attributes.redact_definitions(config["tools"]) if "tools" in config else None
    return {**redact_named_secrets(config), **schemas, **({"tools": tools} if tools else {})}


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``GenerateContentResponse``, or a parsed dict of the same shape."""
    hidden_params = read_hidden_params(response)
    parsed = contents.contents_response(body(response), hidden_params, arguments)
    set_response_cost(parsed, response, arguments)
    # LiteLLM gives no cost for a dict.
    set_stream_cost(parsed, None, hidden_params, arguments)
    return parsed
