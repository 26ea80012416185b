"""Recorded arguments: JSON types without secrets."""

from __future__ import annotations

from typing import Any

from mlflow_litellm._payloads.secrets import is_secret_name, redact_named_secrets, strip_credentials
from mlflow_litellm._payloads.serialize import to_jsonable

# Only the models' names are recorded for these: a model may be a whole deployment, with its keys.
_MODELS = frozenset({
    "content_policy_fallbacks", "context_window_fallback_dict", "context_window_fallbacks",
    "deployments", "fallbacks", "model_list",
})  # fmt: skip
# Secrets are redacted in these: the definition of an MCP server holds its credentials. Schemas are
# kept: they hold the names of arguments, also of secret ones, but no values.
_REDACTED_FIELDS = frozenset({
    "container", "conversation", "guardrails", "mcp_servers", "prompt_variables", "rerank",
    "retrieval_config", "tool_choice", "tools", "web_search_options",
})  # fmt: skip
_SCHEMAS = frozenset({
    "custom", "function", "functionDeclarations", "function_declarations", "input_schema",
    "parameters",
})  # fmt: skip
# The classes by which programs leave an argument out, of the clients of OpenAI and Anthropic.
# https://github.com/openai/openai-python/blob/main/src/openai/_types.py
_NOT_GIVEN = frozenset({"NotGiven", "Omit"})


def is_given(value: object) -> bool:
    """Return whether an argument has a value."""
    return value is not None and type(value).__name__ not in _NOT_GIVEN


def recorded(name: str, value: object) -> Any:
    """Return an argument as JSON types, without the secrets in its URLs and its definitions."""
    value = to_jsonable(value)
    if name in _MODELS:
        return model_names(value)
    if isinstance(value, str):
        return strip_credentials(value) if "://" in value else value
    return redact_definitions(value) if name in _REDACTED_FIELDS else value


def redact_definitions(value: object) -> Any:
    """Return tools and similar definitions without their secrets; schemas are kept."""
    if not isinstance(value, list):
        return redact_named_secrets(value)
    return [
        {**redact_named_secrets(item), **{key: item[key] for key in _SCHEMAS & item.keys()}}
        if isinstance(item, dict)
        else redact_named_secrets(item)
        for item in value
    ]


def model_names(models: object) -> Any:
    """Return the names of models, which are names, deployments, or fallbacks by their model."""
    if isinstance(models, list):
        return [_listed(item) for item in models]
    if not isinstance(models, dict):
        return models
    deployment = models.get("litellm_params")
    for source in (models, deployment if isinstance(deployment, dict) else {}):
        name = source.get("model_name") or source.get("model")
        if isinstance(name, str):
            return name
    named = {key: model_names(value) for key, value in models.items() if not is_secret_name(key)}
    return {key: value for key, value in named.items() if not isinstance(value, dict)}


def _listed(item: Any) -> Any:
    names = model_names(item)
    # A dict in a list maps a model to its fallbacks, or is a deployment of the same model.
    if isinstance(names, dict):
        return {key: value for key, value in names.items() if isinstance(item[key], list)}
    return names
