"""
Definitions of tools in the one shape that MLflow displays: that of OpenAI's chat completions.

https://mlflow.org/docs/latest/genai/tracing/app-instrumentation/manual-tracing/
"""

from __future__ import annotations

from typing import Any

from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.serialize import items

_SCHEMAS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
_DECLARATIONS = ("functionDeclarations", "function_declarations")


def chat_tools(tools: object) -> list[Any] | None:
    """
    Return tools in the shape of a chat completion's; a provider's own tool has its type as name.

    Args:
        tools: Definitions as JSON types: OpenAI's of either API, Anthropic's or Gemini's.
    """
    definitions = [
        definition
        for tool in dicts([tools] if isinstance(tools, dict) else tools)
        for definition in _definitions(tool)
    ]
    return definitions or None


def has_mcp(tools: object) -> bool:
    """Return whether tools include an MCP server's, which LiteLLM may run itself."""
    return any(isinstance(tool, dict) and tool.get("type") == "mcp" for tool in items(tools) or ())


def _definitions(tool: dict[str, Any]) -> list[dict[str, Any]]:
    if isinstance(tool.get("function"), dict):
        return [tool]
    for key in _DECLARATIONS:
        if key in tool:
            return [_function(item) for item in dicts(tool[key])]
    named = tool.get("name") or tool.get("type")
    # The name of a tool of Gemini's is its key: {"google_search": {}}.
    return [_function({**tool, "name": name}) for name in ([named] if named else tool)]


def _function(fields: dict[str, Any]) -> dict[str, Any]:
    schemas = (fields[key] for key in _SCHEMAS if isinstance(fields.get(key), dict))
    values = {
        "name": fields.get("name"),
        "description": fields.get("description"),
        "parameters": next(schemas, None),
        "strict": fields.get("strict"),
    }
    function = {key: value for key, value in values.items() if value is not None}
    return {"type": "function", "function": function}
