"""Who made a request to the gateway: what LiteLLM knows of the key."""

from __future__ import annotations

from typing import Any

from mlflow_litellm._payloads.metadata import redacts_key_info

# Span attributes by LiteLLM's name of the key's field, as its own logs have them. Not the key's
# hash. https://docs.litellm.ai/docs/proxy/logging_spec#standardlogginguserapikeymetadata
_ATTRIBUTES = {
    "key_alias": "user_api_key_alias",
    "team_id": "user_api_key_team_id",
    "team_alias": "user_api_key_team_alias",
    "user_id": "user_api_key_user_id",
    "org_id": "user_api_key_org_id",
    "end_user_id": "user_api_key_end_user_id",
}
# By which gateways are searched.
_TAGS = ("user_api_key_alias", "user_api_key_team_alias", "user_api_key_team_id")
# What LiteLLM calls the user of the master key, who is nobody.
_NOBODY = "default_user_id"


def attributes(key: Any) -> dict[str, str]:
    """Return the span attributes that tell who asked, from a ``UserAPIKeyAuth``."""
    # https://docs.litellm.ai/docs/proxy/logging#redact-userapikeyinfo
    if redacts_key_info():
        return {}
    known = {fields: getattr(key, name, None) for name, fields in _ATTRIBUTES.items()}
    return {
        name: value
        for name, value in known.items()
        if isinstance(value, str) and value not in {"", _NOBODY}
    }


def tags(fields: dict[str, str]) -> dict[str, str]:
    """Return those of the attributes that are tags of the trace as well."""
    return {name: fields[name] for name in _TAGS if name in fields}


def user(fields: dict[str, str]) -> str | None:
    """Return whom the request was made for: the customer, or else the key's user."""
    return fields.get("user_api_key_end_user_id") or fields.get("user_api_key_user_id")
