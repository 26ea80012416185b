"""Translate requests and responses to the shapes that MLflow's GenAI converters read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIGS = ("generation_config", "generationConfig", "config")
_INSTRUCTIONS = ("system_instruction", "systemInstruction")
# MLflow copies these unchanged, but a caller may pass an integer for them.
_FLOATS = ("temperature", "top_p")


def parameters(request: object) -> dict[str, Any]:
    """Return a request's parameters; Google's are moved out of their nested dicts."""
    if not isinstance(request, dict):
        return {}
    configs = [request.get(name) for name in _CONFIGS]
    nested = {key: v for each in configs if isinstance(each, dict) for key, v in each.items()}
    return {**nested, **request}


def inputs(request: object) -> Any:
    """Return a request with its messages under the names that MLflow reads, without its tools."""
    if not isinstance(request, dict):
        return None
    numbers = {key: float(request[key]) for key in _FLOATS if isinstance(request.get(key), int)}
    # Tools have an attribute of their own, with one shape for all kinds of call.
    request = {**{key: value for key, value in request.items() if key != "tools"}, **numbers}
    if "contents" in request:
        return {**request, "contents": _contents(request["contents"]), "config": _config(request)}
    if isinstance(request.get("messages"), list):
        return {**request, "messages": [_message(each) for each in request["messages"]]}
    prompts = request.get("prompt")
    texts = [prompts] if isinstance(prompts, str) else prompts
    if "input" in request or not isinstance(texts, list):
        return request
    return {**request, "messages": [{"role": "user", "content": text} for text in texts]}


def tools(definitions: object) -> Any:
    """Return definitions of tools with a function's name and parameters beside the type."""
    return [_tool(each) for each in definitions] if isinstance(definitions, list) else None


def _tool(tool: object) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    return {"type": "function", **function} if isinstance(function, dict) else tool


def outputs(response: object) -> Any:
    """Return a response with its messages under the names that MLflow reads."""
    if not isinstance(response, dict):
        return None
    if isinstance(choices := response.get("choices"), list):
        return {**response, "choices": [_choice(choice) for choice in choices]}
    if isinstance(candidates := response.get("candidates"), list):
        return {**response, "candidates": [_candidate(each) for each in candidates]}
    return response


def _message(message: Any) -> Any:
    """Return a message; the parts of a system message become one text: MLflow skips the parts."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or message.get("role") != "system":
        return message
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return {**message, "content": "\n".join(text for text in texts if text)}


def _choice(choice: object) -> Any:
    """Return a choice of a text completion as a choice of a chat completion."""
    if not isinstance(choice, dict) or "text" not in choice:
        return choice
    return {**choice, "message": {"role": "assistant", "content": choice["text"]}}


def _config(request: Mapping[str, Any]) -> dict[str, Any]:
    fields = parameters(request)
    instruction = next((fields[name] for name in _INSTRUCTIONS if fields.get(name)), None)
    if isinstance(instruction, list):
        instruction = {"parts": instruction}
    return {"system_instruction": _content(instruction)}


def _contents(value: object) -> Any:
    contents = [value] if isinstance(value, dict) else value
    return [_content(each) for each in contents] if isinstance(contents, list) else contents


def _content(content: object, role: str = "user") -> Any:
    return {"role": role, **content} if isinstance(content, dict) else content


def _candidate(candidate: object) -> Any:
    if not isinstance(candidate, dict):
        return candidate
    return {**candidate, "content": _content(candidate.get("content") or {}, "model")}
