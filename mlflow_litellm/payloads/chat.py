"""
Chat completions: ``litellm.completion`` and ``acompletion``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm.payloads import Answer, Request
from mlflow_litellm.payloads import _litellm as reported
from mlflow_litellm.payloads._plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

# What shapes the answer, of OpenAI's parameters and LiteLLM's own. An allowlist: providers take
# any further argument, keys and tokens among them, so that no list of secrets is ever whole.
RECORDED = frozenset({
    "audio", "drop_params", "frequency_penalty", "function_call", "functions", "logit_bias",
    "logprobs", "max_completion_tokens", "max_tokens", "messages", "min_p", "modalities", "model",
    "n", "num_retries", "parallel_tool_calls", "prediction", "presence_penalty",
    "prompt_cache_key", "prompt_cache_retention", "reasoning_effort", "repetition_penalty",
    "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream",
    "stream_options", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_logprobs",
    "top_p", "user", "verbosity", "web_search_options",
})  # fmt: skip

_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal", "thinking"})


def request(arguments: Mapping[str, Any]) -> Request:
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    inputs = {
        key: plain(value)
        for key, value in arguments.items()
        if key in RECORDED and value is not None
    }
    if isinstance(inputs.get("tools"), list):
        inputs["tools"] = [_without_headers(tool) for tool in inputs["tools"]]
    model = inputs.get("model")
    return Request(
        inputs=inputs,
        model=model,
        tools=inputs.get("tools"),
        attributes={} if model is None else {"model": model},
        has_media=_has_media(inputs.get("messages")),
    )


def _without_headers(tool: Any) -> Any:
    """Return a tool's definition without what opens an MCP server: headers, token, query."""
    if not isinstance(tool, dict) or tool.get("type") != "mcp":
        return tool
    kept = {key: value for key, value in tool.items() if key not in {"headers", "authorization"}}
    return {**kept, "server_url": reported.endpoint(tool.get("server_url"))}


def _has_media(messages: Any) -> bool:
    contents = [item.get("content") for item in _dicts(messages)]
    return any(
        part.get("type") not in _TEXT_PARTS for content in contents for part in _dicts(content)
    )


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what a ``ModelResponse`` says; of anything else, its plain data."""
    hidden = reported.hidden_params(response)
    usage = getattr(response, "usage", None)
    model = hidden.get("litellm_model_name") or arguments.get("model")
    provider = reported.provider(hidden, model)
    total = 0.0 if reported.is_cache_hit(hidden) else hidden.get("response_cost")
    parts = reported.price(model, provider, usage) if total else None
    return describe(plain(response), hidden, usage, provider, reported.cost(total, parts))


def _drop_empty(item: dict[str, Any], name: str) -> None:
    """Drop a dict's dict where it says nothing: LiteLLM fills these with None."""
    said = item.pop(name, None)
    if isinstance(said, dict):
        said = {key: value for key, value in said.items() if value is not None}
    if said:
        item[name] = said


def describe(
    outputs: Any,
    hidden: Mapping[str, Any],
    usage: Any,
    provider: str | None,
    cost: dict[str, float] | None,
) -> Answer:
    """Return an answer from a chat completion dict and what LiteLLM tells beside it."""
    attributes = reported.call_attributes(hidden)
    if provider is not None:
        attributes["custom_llm_provider"] = provider
    if cost is not None:
        attributes["response_cost"] = cost["total_cost"]
    if not isinstance(outputs, dict):
        return Answer(outputs=outputs, provider=provider, cost=cost, attributes=attributes)
    choices = _dicts(outputs.get("choices"))
    attributes["finish_reasons"] = [choice.get("finish_reason") for choice in choices]
    messages = [choice.setdefault("message", {}) for choice in choices]
    for message in messages:
        message.setdefault("content", None)
        for call in _dicts(message.get("tool_calls")):
            # LiteLLM's own for some providers; OpenAI has it in chunks alone.
            call.pop("index", None)
    for item in (outputs, *choices, *messages):
        _drop_empty(item, "provider_specific_fields")
    return Answer(
        outputs=outputs,
        usage=reported.usage(usage),
        cost=cost,
        model=outputs.get("model"),
        provider=provider,
        attributes=attributes,
        has_media=any("audio" in message or "images" in message for message in messages),
    )
