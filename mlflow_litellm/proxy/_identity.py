"""Record who made a request to LiteLLM Proxy, from LiteLLM's data of the key."""

from __future__ import annotations

from mlflow_litellm._common import attributes as names
from mlflow_litellm._payloads.metadata import redacts_key_info

# Span attributes by the name of the key's field. LiteLLM's logs use the same names. Not the key's
# hash. https://docs.litellm.ai/docs/proxy/logging_spec#standardlogginguserapikeymetadata
_ATTRIBUTES = {
    "key_alias": names.KEY_ALIAS,
    "team_id": names.TEAM_ID,
    "team_alias": names.TEAM_ALIAS,
    "user_id": names.KEY_USER_ID,
    "org_id": names.ORG_ID,
    "end_user_id": names.END_USER_ID,
}
# The attributes by which the traces of a proxy are searched.
_TAGS = (names.KEY_ALIAS, names.TEAM_ALIAS, names.TEAM_ID)
# LiteLLM's name for the user of the master key, who is no real user.
_NOBODY = "default_user_id"


def attributes(key: object) -> dict[str, str]:
    """Return the span attributes of the key of a request, a ``UserAPIKeyAuth``."""
    # https://docs.litellm.ai/docs/proxy/logging#redact-userapikeyinfo
    if redacts_key_info():
        return {}
    fields = {attribute: getattr(key, name, None) for name, attribute in _ATTRIBUTES.items()}
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, str) and value not in {"", _NOBODY}
    }


def tags(fields: dict[str, str]) -> dict[str, str]:
    """Return the attributes that are also tags of the trace."""
    return {name: fields[name] for name in _TAGS if name in fields}


def user(fields: dict[str, str]) -> str | None:
    """Return the user of the request: the customer, or else the key's user."""
    return fields.get(names.END_USER_ID) or fields.get(names.KEY_USER_ID)
