"""What is recorded of any request: arguments by an allowlist, without the secrets in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import endpoint, metadata
from mlflow_litellm._payloads.base import Request
from mlflow_litellm._payloads.secrets import is_secret_name, redact_named_secrets, strip_credentials
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of these, the models' names alone: each may be given as a whole deployment, with its keys.
_MODELS = frozenset({
    "content_policy_fallbacks", "context_window_fallback_dict", "context_window_fallbacks",
    "deployments", "fallbacks", "model_list",
})  # fmt: skip
# Of these, no secrets: what opens an MCP server stands in its definition. Schemas have names
# alone, which may be those of secrets.
_REDACTED_FIELDS = frozenset({
    "container", "conversation", "guardrails", "mcp_servers", "prompt_variables", "rerank",
    "retrieval_config", "tool_choice", "tools", "web_search_options",
})  # fmt: skip
_SCHEMAS = frozenset({
    "custom", "function", "functionDeclarations", "function_declarations", "input_schema",
    "parameters",
})  # fmt: skip


def request(arguments: Mapping[str, Any], allowed: frozenset[str]) -> Request:
    """
    Return what a call asked for, by its arguments' names; secrets are left out.

    Args:
        arguments: The call's arguments by name.
        shown: The names of those that are recorded.
    """
    inputs = {
        key: _recorded(key, value)
        for key, value in arguments.items()
        if key in allowed and value is not None
    }
    model = inputs.get("model")
    known = {"model": model, "api_base": endpoint.requested_base_url(arguments)}
    attributes = {key: value for key, value in known.items() if value is not None}
    request = Request(inputs, model, inputs.get("tools"), attributes)
    if metadata.NAMES & arguments.keys():
        _set_metadata(request, arguments)
    return request


def _recorded(key: str, value: Any) -> Any:
    value = to_jsonable(value)
    if key in _MODELS:
        return model_names(value)
    if isinstance(value, str):
        return strip_credentials(value) if "://" in value else value
    return redact_definitions(value) if key in _REDACTED_FIELDS else value


def redact_definitions(value: Any) -> Any:
    """Return tools and the like without their secrets; what a schema names stays."""
    if not isinstance(value, list):
        return redact_named_secrets(value)
    return [
        {**redact_named_secrets(item), **{key: item[key] for key in _SCHEMAS & item.keys()}}
        if isinstance(item, dict)
        else redact_named_secrets(item)
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


def _set_metadata(request: Request, arguments: Mapping[str, Any]) -> None:
    request.attributes.update(metadata.attributes(arguments))
    request.tags = metadata.tags(arguments)
    request.trace_metadata = metadata.trace_metadata(arguments)
    request.session = metadata.session(arguments)
    request.user = metadata.user(arguments)
