"""Says what was asked and answered in the shapes that MLflow's GenAI converters read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIGS = ("generation_config", "generationConfig", "config")
_INSTRUCTIONS = ("system_instruction", "systemInstruction")
# What MLflow copies as it was given, where whole numbers are given as well.
_FLOATS = ("temperature", "top_p")


def parameters(asked: Any) -> dict[str, Any]:
    """Return a request's parameters, Google's out of the dicts that they stand in."""
    if not isinstance(asked, dict):
        return {}
    configs = [asked.get(name) for name in _CONFIGS]
    given = {key: v for each in configs if isinstance(each, dict) for key, v in each.items()}
    return {**given, **asked}


def inputs(asked: Any) -> Any:
    """Return a request with its messages where MLflow looks for them, and without its tools."""
    if not isinstance(asked, dict):
        return None
    numbers = {key: float(asked[key]) for key in _FLOATS if isinstance(asked.get(key), int)}
    # Tools are told in one shape for all kinds of call, by an attribute of their own.
    asked = {**{key: value for key, value in asked.items() if key != "tools"}, **numbers}
    if "contents" in asked:
        return {**asked, "contents": _contents(asked["contents"]), "config": _config(asked)}
    if isinstance(asked.get("messages"), list):
        return {**asked, "messages": [_message(each) for each in asked["messages"]]}
    prompts = asked.get("prompt")
    texts = [prompts] if isinstance(prompts, str) else prompts
    if "input" in asked or not isinstance(texts, list):
        return asked
    return {**asked, "messages": [{"role": "user", "content": text} for text in texts]}


def tools(offered: Any) -> Any:
    """Return definitions of tools with a function's name and parameters beside the type."""
    return [_tool(each) for each in offered] if isinstance(offered, list) else None


def _tool(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    return {"type": "function", **function} if isinstance(function, dict) else tool


def outputs(answered: Any) -> Any:
    """Return an answer with its messages where MLflow looks for them."""
    if not isinstance(answered, dict):
        return None
    if isinstance(choices := answered.get("choices"), list):
        return {**answered, "choices": [_choice(choice) for choice in choices]}
    if isinstance(candidates := answered.get("candidates"), list):
        return {**answered, "candidates": [_candidate(each) for each in candidates]}
    return answered


def _message(message: Any) -> Any:
    """Return a message with a system's parts as one text, which MLflow would leave out."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or message.get("role") != "system":
        return message
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return {**message, "content": "\n".join(text for text in texts if text)}


def _choice(choice: Any) -> Any:
    """Return a text completion's choice as a chat completion's."""
    if not isinstance(choice, dict) or "text" not in choice:
        return choice
    return {**choice, "message": {"role": "assistant", "content": choice["text"]}}


def _config(asked: Mapping[str, Any]) -> dict[str, Any]:
    known = parameters(asked)
    given = next((known[name] for name in _INSTRUCTIONS if known.get(name)), None)
    if isinstance(given, list):
        given = {"parts": given}
    return {"system_instruction": _content(given)}


def _contents(given: Any) -> Any:
    contents = [given] if isinstance(given, dict) else given
    return [_content(each) for each in contents] if isinstance(contents, list) else contents


def _content(content: Any, role: str = "user") -> Any:
    return {"role": role, **content} if isinstance(content, dict) else content


def _candidate(candidate: Any) -> Any:
    if not isinstance(candidate, dict):
        return candidate
    return {**candidate, "content": _content(candidate.get("content") or {}, "model")}
