"""
Definitions of tools in the one shape that MLflow shows them in: OpenAI's of chat completions.

https://mlflow.org/docs/latest/genai/tracing/app-instrumentation/manual-tracing/
"""

from __future__ import annotations

from typing import Any

from mlflow_litellm._payloads.containers import items
from mlflow_litellm._payloads.media import dicts

_SCHEMAS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
_DECLARATIONS = ("functionDeclarations", "function_declarations")


def chat_tools(tools: Any) -> list[Any] | None:
    """
    Return tools as a chat completion would be given them; a tool of the provider's by its type.

    Args:
        tools: Definitions as plain data: OpenAI's of either API, Anthropic's or Gemini's.
    """
    found = [
        definition
        for tool in dicts([tools] if isinstance(tools, dict) else tools)
        for definition in _definitions(tool)
    ]
    return found or None


def has_mcp(tools: Any) -> bool:
    """Tell whether tools of MCP servers are among tools: LiteLLM may run them itself."""
    return any(isinstance(tool, dict) and tool.get("type") == "mcp" for tool in items(tools) or ())


def _definitions(tool: dict[str, Any]) -> list[dict[str, Any]]:
    if isinstance(tool.get("function"), dict):
        return [tool]
    for key in _DECLARATIONS:
        if key in tool:
            return [_function(item) for item in dicts(tool[key])]
    named = tool.get("name") or tool.get("type")
    # Gemini's own stand under their names: {"google_search": {}}.
    return [_function({**tool, "name": name}) for name in ([named] if named else tool)]


def _function(fields: dict[str, Any]) -> dict[str, Any]:
    schemas = (fields[key] for key in _SCHEMAS if isinstance(fields.get(key), dict))
    known = {
        "name": fields.get("name"),
        "description": fields.get("description"),
        "parameters": next(schemas, None),
        "strict": fields.get("strict"),
    }
    function = {key: value for key, value in known.items() if value is not None}
    return {"type": "function", "function": function}
