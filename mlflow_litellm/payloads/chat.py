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

# What opens an MCP server, as OpenAI's and Anthropic's definitions of such tools name it.
_OPENERS = frozenset({"headers", "authorization", "authorization_token"})
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal", "thinking"})


def request(arguments: Mapping[str, Any]) -> Request:
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    inputs = {
        key: plain(value)
        for key, value in arguments.items()
        if key in RECORDED and value is not None
    }
    if isinstance(inputs.get("tools"), list):
        inputs["tools"] = [_without_secrets(tool) for tool in inputs["tools"]]
    model = inputs.get("model")
    base = reported.endpoint(arguments.get("api_base") or arguments.get("base_url"))
    known = {"model": model, "api_base": base}
    return Request(
        inputs=inputs,
        model=model,
        tools=inputs.get("tools"),
        attributes={key: value for key, value in known.items() if value is not None},
        has_media=_has_media(inputs.get("messages")),
    )


def _without_secrets(tool: Any) -> Any:
    """Return a tool's definition without what opens its server: headers, tokens, queries."""
    if not isinstance(tool, dict) or tool.get("type") in {"function", "custom"}:
        return tool
    kept = {key: value for key, value in tool.items() if key not in _OPENERS}
    return {
        key: reported.endpoint(value) if key in {"url", "server_url"} else value
        for key, value in kept.items()
    }


def _has_media(messages: Any) -> bool:
    return any(
        "images" in message or "audio" in message or _is_media(message.get("content"))
        for message in _dicts(messages)
    )


def _is_media(content: Any) -> bool:
    if isinstance(content, str):
        return content.startswith("data:")
    return any(part.get("type") not in _TEXT_PARTS for part in _dicts(content))


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what a ``ModelResponse`` says; of anything else, its plain data."""
    hidden = reported.hidden_params(response)
    return describe(plain(response), hidden, arguments, getattr(response, "usage", None))


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
    arguments: Mapping[str, Any],
    usage: Any,
    *,
    streamed: bool = False,
) -> Answer:
    """
    Return an answer from a chat completion dict and what LiteLLM tells beside it.

    Args:
        outputs: The chat completion as plain data; is changed.
        hidden: LiteLLM's hidden parameters of it.
        arguments: The call's arguments by name.
        usage: LiteLLM's ``Usage``, or None.
        streamed: Whether the hidden parameters are a stream's, whose cost is a placeholder.
    """
    provider = reported.provider(hidden, arguments)
    cost = _cost(hidden, arguments, provider, usage, streamed=streamed)
    known = {
        "api_base": reported.api_base(hidden, arguments, provider),
        "custom_llm_provider": provider,
        "response_cost": cost and cost["total_cost"],
    }
    attributes = reported.call_attributes(hidden)
    attributes.update((key, value) for key, value in known.items() if value is not None)
    told = Answer(outputs, reported.usage(usage), cost, provider=provider, attributes=attributes)
    if isinstance(outputs, dict):
        _tidy(told)
    return told


def _cost(
    hidden: Mapping[str, Any],
    arguments: Mapping[str, Any],
    provider: str | None,
    usage: Any,
    *,
    streamed: bool,
) -> dict[str, float] | None:
    if reported.is_cache_hit(hidden):
        # LiteLLM repeats the first answer's price on a hit, up to 1.106.
        return reported.cost(0.0, None)
    model = hidden.get("litellm_model_name") or arguments.get("model")
    if streamed:
        parts = reported.price(model, provider, usage)
        return reported.cost(sum(parts) if parts else None, parts)
    told = hidden.get("response_cost")
    if told is None:
        return None
    return reported.cost(told, reported.shares(told, model, provider, usage))


def _tidy(told: Answer) -> None:
    """Make the outputs what OpenAI's schema says, and note what they hold."""
    choices = _dicts(told.outputs.get("choices"))
    messages = [choice.setdefault("message", {}) for choice in choices]
    for message in messages:
        message.setdefault("content", None)
        for call in _dicts(message.get("tool_calls")):
            # LiteLLM's own for some providers; OpenAI has it in chunks alone.
            call.pop("index", None)
    for item in (told.outputs, *choices, *messages):
        _drop_empty(item, "provider_specific_fields")
    told.model = told.outputs.get("model")
    told.attributes["finish_reasons"] = [choice.get("finish_reason") for choice in choices]
    told.has_media = any("audio" in message or "images" in message for message in messages)
