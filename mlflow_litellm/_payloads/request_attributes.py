"""What is recorded of any request: arguments by an allowlist, without the secrets in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import endpoint, metadata
from mlflow_litellm._payloads.base import Request
from mlflow_litellm._payloads.secrets import cleaned, cleaned_url, is_secret_name
from mlflow_litellm._payloads.serialize import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of these, the models' names alone: each may be given as a whole deployment, with its keys.
_MODELS = frozenset({
    "content_policy_fallbacks", "context_window_fallback_dict", "context_window_fallbacks",
    "deployments", "fallbacks", "model_list",
})  # fmt: skip
# Of these, no secrets: what opens an MCP server stands in its definition. Schemas have names
# alone, which may be those of secrets.
_CLEANED = frozenset({
    "container", "conversation", "guardrails", "mcp_servers", "prompt_variables", "rerank",
    "retrieval_config", "tool_choice", "tools", "web_search_options",
})  # fmt: skip
_SCHEMAS = frozenset({
    "custom", "function", "functionDeclarations", "function_declarations", "input_schema",
    "parameters",
})  # fmt: skip


def request(arguments: Mapping[str, Any], shown: frozenset[str]) -> Request:
    """
    Return what a call asked for, by its arguments' names; secrets are left out.

    Args:
        arguments: The call's arguments by name.
        shown: The names of those that are recorded.
    """
    inputs = {
        key: _recorded(key, value)
        for key, value in arguments.items()
        if key in shown and value is not None
    }
    model = inputs.get("model")
    known = {"model": model, "api_base": endpoint.given_base(arguments)}
    attributes = {key: value for key, value in known.items() if value is not None}
    told = Request(inputs, model, inputs.get("tools"), attributes)
    if metadata.NAMES & arguments.keys():
        _tell_metadata(told, arguments)
    return told


def _recorded(key: str, value: Any) -> Any:
    value = plain(value)
    if key in _MODELS:
        return model_names(value)
    if isinstance(value, str):
        return cleaned_url(value) if "://" in value else value
    return cleaned_definitions(value) if key in _CLEANED else value


def cleaned_definitions(value: Any) -> Any:
    """Return tools and the like without their secrets; what a schema names stays."""
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
    told.attributes.update(metadata.attributes(arguments))
    told.tags = metadata.tags(arguments)
    told.trace_metadata = metadata.trace_metadata(arguments)
    told.session = metadata.session(arguments)
    told.user = metadata.user(arguments)
