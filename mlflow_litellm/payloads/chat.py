"""
Chat completions: ``litellm.completion`` and ``acompletion``.

The shapes are OpenAI's, which LiteLLM keeps for every provider:
https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm.payloads import Answer, Request, _cost, _endpoint, _metadata
from mlflow_litellm.payloads._hidden import (
    call_attributes,
    failure_attributes,
    hidden_params,
    is_cache_hit,
)
from mlflow_litellm.payloads._media import cleaned_media, cleaned_text, dicts, has_media
from mlflow_litellm.payloads._plain import plain
from mlflow_litellm.payloads._secrets import cleaned, cleaned_url, is_secret_name
from mlflow_litellm.payloads._usage import token_attributes, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

# What shapes the answer, of OpenAI's parameters and LiteLLM's own. An allowlist: providers take
# any further argument, keys and tokens among them, so that no list of secrets is ever whole.
# https://docs.litellm.ai/docs/completion/input
RECORDED = frozenset({
    "additional_drop_params", "allowed_openai_params", "assistant_continue_message", "audio",
    "bos_token", "cache_control_injection_points", "content_policy_fallbacks",
    "context_management", "context_window_fallback_dict", "context_window_fallbacks",
    "drop_params", "enable_json_schema_validation", "ensure_alternating_roles", "eos_token",
    "fallbacks", "final_prompt_value", "frequency_penalty", "function_call", "functions",
    "guardrails", "include_server_side_tool_invocations", "initial_prompt_value",
    "litellm_system_prompt", "logit_bias", "logprobs", "max_completion_tokens", "max_fallbacks",
    "max_tokens",
    "merge_reasoning_content_in_choices", "messages", "min_p", "min_tokens", "modalities", "model",
    "model_list", "n", "num_retries", "parallel_tool_calls", "prediction", "presence_penalty",
    "prompt_cache_key", "prompt_cache_retention", "prompt_id", "prompt_label",
    "prompt_variables", "prompt_version", "reasoning_effort", "repetition_penalty",
    "response_format", "roles", "safety_identifier", "safety_settings", "seed", "service_tier",
    "stop", "store", "stream", "stream_options", "supports_system_message", "temperature",
    "thinking", "tool_choice", "tools", "top_a", "top_k", "top_logprobs", "top_p", "typical_p",
    "user", "user_continue_message", "verbosity", "web_search_options",
})  # fmt: skip

# Of these, the models' names alone: each may be given as a whole deployment, with its keys.
_MODELS = frozenset({
    "content_policy_fallbacks", "context_window_fallback_dict", "context_window_fallbacks",
    "fallbacks", "model_list",
})  # fmt: skip
# Of these, no secrets: what opens an MCP server stands in its definition. Schemas have names
# alone, which may be those of secrets.
_CLEANED = frozenset({"guardrails", "prompt_variables", "tools", "web_search_options"})
_SCHEMAS = frozenset({"custom", "function", "input_schema", "parameters"})


def request(arguments: Mapping[str, Any]) -> Request:
    """Return what a call asked for, by its arguments' names; secrets are left out."""
    inputs = {
        key: _recorded(key, value)
        for key, value in arguments.items()
        if key in RECORDED and value is not None
    }
    media = has_media(inputs.get("messages"))
    if media:
        inputs["messages"] = cleaned_media(inputs["messages"])
    model = inputs.get("model")
    known = {"model": model, "api_base": _endpoint.given_base(arguments)}
    attributes = {key: value for key, value in known.items() if value is not None}
    told = Request(inputs, model, inputs.get("tools"), attributes, media)
    if _metadata.NAMES & arguments.keys():
        _tell_metadata(told, arguments)
    return told


def _recorded(key: str, value: Any) -> Any:
    value = plain(value)
    if key in _MODELS:
        return model_names(value)
    if isinstance(value, str):
        return cleaned_url(value) if "://" in value else value
    return _cleaned_definitions(value) if key in _CLEANED else value


def _cleaned_definitions(value: Any) -> Any:
    if not isinstance(value, list):
        return cleaned(value)
    return [
        {**cleaned(item), **{key: item[key] for key in _SCHEMAS & item.keys()}}
        if isinstance(item, dict)
        else cleaned(item)
        for item in value
    ]


def model_names(models: Any) -> Any:
    """Return models, given by name, as deployments, or by the model they stand in for, by name."""
    if isinstance(models, list):
        return [_listed(item) for item in models]
    if not isinstance(models, dict):
        return models
    deployment = models.get("litellm_params")
    for place in (models, deployment if isinstance(deployment, dict) else {}):
        name = place.get("model_name") or place.get("model")
        if isinstance(name, str):
            return name
    named = {key: model_names(value) for key, value in models.items() if not is_secret_name(key)}
    return {key: value for key, value in named.items() if not isinstance(value, dict)}


def _listed(item: Any) -> Any:
    names = model_names(item)
    # In a list a dict maps a model to those after it, or is a deployment of the same model.
    if isinstance(names, dict):
        return {key: value for key, value in names.items() if isinstance(item[key], list)}
    return names


def _tell_metadata(told: Request, arguments: Mapping[str, Any]) -> None:
    told.attributes.update(_metadata.attributes(arguments))
    told.tags = _metadata.tags(arguments)
    told.trace_metadata = _metadata.trace_metadata(arguments)
    told.session = _metadata.session(arguments)
    told.user = _metadata.user(arguments)


def answer(response: Any, arguments: Mapping[str, Any]) -> Answer:
    """Return what a ``ModelResponse`` says; of anything else, its plain data."""
    hidden, outputs = hidden_params(response), plain(response)
    told = describe(outputs, hidden, arguments)
    if not is_cache_hit(hidden):
        usage = getattr(response, "usage", None)
        cost = _cost.answer_cost(hidden, arguments, told.provider, usage)
        # Without a count LiteLLM says 0.
        tell_cost(told, cost if told.usage or (cost and cost["total_cost"]) else None)
    return told


def failure(error: BaseException, arguments: Mapping[str, Any]) -> Answer:
    """Return what is known of a call that failed."""
    # Not looked up by the model's name: that may sign in, or ask a secret manager.
    named = getattr(error, "llm_provider", None)
    provider = str(named) if named else _endpoint.named_provider(arguments)
    attributes = failure_attributes(error, arguments)
    if provider is not None:
        attributes["custom_llm_provider"] = provider
    return Answer(provider=provider, attributes=attributes)


def describe(outputs: Any, hidden: Mapping[str, Any], arguments: Mapping[str, Any]) -> Answer:
    """
    Return an answer from a chat completion dict and what LiteLLM tells beside it.

    Its cost is 0 where the cache answered, and unknown otherwise: see `tell_cost`.

    Args:
        outputs: The chat completion as plain data; is changed.
        hidden: LiteLLM's hidden parameters of it.
        arguments: The call's arguments by name.
    """
    provider = _endpoint.provider(hidden, arguments)
    known = {
        "api_base": _endpoint.api_base(hidden, arguments, provider),
        "custom_llm_provider": provider,
    }
    attributes = call_attributes(hidden)
    attributes.update((key, value) for key, value in known.items() if value is not None)
    told = Answer(outputs, provider=provider, attributes=attributes)
    if isinstance(outputs, dict):
        told.usage = tokens(outputs.get("usage"))
        attributes.update(token_attributes(outputs.get("usage")))
        _tidy(told)
    if is_cache_hit(hidden):
        # LiteLLM repeats the first answer's price on a hit, up to 1.106.
        tell_cost(told, _cost.cost(0.0, None))
    return told


def tell_cost(told: Answer, cost: dict[str, float] | None) -> None:
    """Note what an answer cost, in MLflow's parts; None where that is unknown."""
    told.cost = cost
    if cost is not None:
        told.attributes["response_cost"] = cost["total_cost"]


def _tidy(told: Answer) -> None:
    """Make the outputs what OpenAI's schema says, and note what they hold."""
    choices = dicts(told.outputs.get("choices"))
    messages = [choice.setdefault("message", {}) for choice in choices]
    for message in messages:
        if isinstance(content := message.setdefault("content", None), str):
            message["content"] = cleaned_text(content)
        for call in dicts(message.get("tool_calls")):
            # LiteLLM's own for some providers; OpenAI has it in chunks alone.
            call.pop("index", None)
    for item in (told.outputs, *choices, *messages):
        _drop_empty(item, "provider_specific_fields")
    told.model = told.outputs.get("model")
    told.attributes["finish_reasons"] = [choice.get("finish_reason") for choice in choices]
    told.has_media = has_media(messages)


def _drop_empty(item: dict[str, Any], name: str) -> None:
    """Drop a dict's dict where it says nothing: LiteLLM fills these with None."""
    said = item.pop(name, None)
    if isinstance(said, dict):
        said = {key: value for key, value in said.items() if value is not None}
    if said:
        item[name] = said
