"""
The metadata of a request: its tags, session and user, and Router's data about the deployment.

LiteLLM takes these in ``metadata`` and ``litellm_metadata``, by the names in the documentation of
its Langfuse integration: https://docs.litellm.ai/docs/observability/langfuse_integration
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mlflow_litellm._common import attributes as names
from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._payloads.containers import entries
from mlflow_litellm._payloads.message_logging import is_excluded
from mlflow_litellm._payloads.secrets import redact_named_secrets, redacted
from mlflow_litellm._payloads.serialize import items, to_jsonable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOURCES = ("metadata", "litellm_metadata")
# The arguments that this module reads; most calls have none of them.
NAMES = frozenset({*_SOURCES, "litellm_session_id", "model_info", "tags", "user"})
# Langfuse's keys of a trace; the keys of a generation are recorded on the span.
_TRACE_KEYS = ("trace_id", "trace_name", "trace_version", "trace_release")

# Keys that LiteLLM and LiteLLM Proxy add: useless to the reader, or not meant to be seen.
_LITELLMS = frozenset({
    "actor_agent_id", "agent_execution_mode", "agent_id", "api_base", "applied_guardrails",
    "billing_agent_id",
    "caching_groups", "caller_tags", "deployment_model_name", "endpoint",
    "global_max_parallel_requests", "guardrails", "headers", "hidden_params", "inherited_tags",
    "kubernetes_pod_routing", "llm_api_timing_windows", "max_retries", "model_group_alias",
    "model_group_size", "model_info", "original_model_group", "pii_tokens", "previous_models",
    "proxy_server_request", "queue_time_seconds", "request_retry_count",
    "requester_custom_headers", "requester_ip_address", "requester_metadata", "rpm",
    "standard_logging_guardrail_information",
    "target_agent_id", "tpm", "used_client_oauth_token", "user_agent",
    "user_api_end_user_max_budget", "verified_human_user_id",
})  # fmt: skip
_LITELLMS_PREFIXES = ("_", "litellm_", "user_api_key")
# Keys that Router adds before it calls a deployment. They become span attributes.
_ROUTERS = {
    names.MODEL_GROUP: str,
    names.DEPLOYMENT: str,
    names.ATTEMPTED_RETRIES: int,
    names.ATTEMPTED_FALLBACKS: int,
}

# The limits of MLflow's stores for a tag's name and value: a store rejects the whole trace if a tag
# exceeds them. https://mlflow.org/docs/latest/genai/tracing/attach-tags/
_TAG_NAME_LENGTH = 250
_TAG_VALUE_LENGTH = 8000
# The same limit for a session.
_ID_LENGTH = 250
_NOT_IN_A_TAG_NAME = re.compile(r"[^\w.\- /]")


def tags(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the trace tags of a request; ``"key:value"`` is split, other tags have no value."""
    tags: dict[str, str] = {}
    if is_excluded("request_tags"):
        return tags
    for source in [arguments, *_dicts(arguments)][::-1]:
        for tag in _tag_list(source.get("tags")):
            name, _, value = redacted(redact_named_secrets(tag), []).partition(":")
            tags[name.strip()] = value.strip()
    return dict(_storable(redact_named_secrets(tags)))


def trace_metadata(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return a request's other data about its trace, as tags."""
    fields: dict[str, str] = {}
    if is_excluded("metadata"):
        return fields
    for source in [*_dicts(arguments)][::-1]:
        fields.update((key, text) for key in _TRACE_KEYS if (text := _text(source.get(key))))
        fields.update(_trace_metadata(source.get("trace_metadata")))
    return dict(_storable(redact_named_secrets(fields)))


def session(arguments: Mapping[str, Any]) -> str | None:
    """Return the session of a request."""
    return _first(
        *(source.get("session_id") for source in _dicts(arguments)),
        arguments.get("litellm_session_id"),
    )


def user(arguments: Mapping[str, Any]) -> str | None:
    """Return the user of a request: ``trace_user_id``, or OpenAI's ``user=``."""
    if is_excluded("end_user"):
        return None
    return _first(
        *(source.get("trace_user_id") for source in _dicts(arguments)),
        arguments.get("user"),
        *(source.get(key) for source in _dicts(arguments) for key in ("user_id", *_keys_user())),
    )


def _keys_user() -> tuple[str, ...]:
    """Return LiteLLM Proxy's key for the user of an API key, if that user may be recorded."""
    return () if redacts_key_info() else ("user_api_key_end_user_id",)


def redacts_key_info() -> bool:
    """Return whether LiteLLM's switch hides the owner of a LiteLLM Proxy request's API key."""
    litellm = sys.modules.get("litellm")
    return bool(getattr(litellm, "redact_user_api_key_info", False)) or is_excluded("metadata")


def call_metadata(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the caller's metadata of a call, without secrets and without LiteLLM's entries."""
    if is_excluded("metadata"):
        return None
    own = {key: value for key, value in _combined(arguments).items() if _is_own(key)}
    if is_excluded("request_tags"):
        own.pop("tags", None)
    metadata: dict[str, Any] = _quoted(redact_named_secrets(to_jsonable(own)))
    return metadata or None


def router_attributes(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span attributes in Router's data about the deployment; empty without a Router."""
    deployment = _deployment_id(arguments)
    if not deployment:
        return {}
    combined = _combined(arguments)
    values = ((key, kind, combined.get(key)) for key, kind in _ROUTERS.items())
    fields = {key: value for key, kind, value in values if _is(value, kind)}
    return {names.MODEL_ID: deployment, **fields}


def _combined(arguments: Mapping[str, Any]) -> dict[Any, Any]:
    """Return all metadata of a call; the first source that has an entry counts."""
    sources = reversed([*_dicts(arguments)])
    return {key: value for source in sources for key, value in source.items()}


def _quoted(value: object) -> Any:
    """Return JSON types; texts in them that look like keys are redacted."""
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    return redacted(value, []) if isinstance(value, str) else value


def _dicts(arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    sources: Iterator[Any] = (arguments.get(name) for name in _SOURCES)
    return (fields for source in sources if (fields := _as_dict(source)) is not None)


def _as_dict(value: Any) -> dict[str, Any] | None:
    if type(value) is dict:
        return value
    if _is(value, Mapping):
        # A mapping of the user's own class may raise.
        with errors_ignored():
            return entries(value)
    return None


def _tag_list(tags: object) -> list[str]:
    return [str(to_jsonable(tag)) for tag in items(tags) or () if _is(tag, str, int)]


def _trace_metadata(metadata: object) -> dict[str, str]:
    fields = redact_named_secrets(to_jsonable(metadata)) if _is(metadata, Mapping) else None
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in (fields if isinstance(fields, dict) else {}).items()
        if value is not None
    }


def _storable(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in tags.items():
        safe = _NOT_IN_A_TAG_NAME.sub("_", to_jsonable(name))[:_TAG_NAME_LENGTH]
        if safe != posixpath.normpath(safe) or safe == "." or safe.startswith(("..", "/")):
            safe = safe.replace("/", "_").replace(".", "_")
        # Tags with this prefix are MLflow's own: they name, for example, the trace's store.
        if safe and not safe.startswith("mlflow."):
            yield safe, to_jsonable(value)[:_TAG_VALUE_LENGTH]


def _is_own(key: object) -> bool:
    if key in _LITELLMS or key in _ROUTERS:
        return False
    return not str(key).startswith(_LITELLMS_PREFIXES)


def _deployment_id(arguments: Mapping[str, Any]) -> str | None:
    sources = (arguments, *_dicts(arguments))
    infos: list[Any] = [source.get("model_info") for source in sources]
    return _first(*(info.get("id") for info in map(_as_dict, infos) if info is not None))


def _first(*values: object) -> str | None:
    return next((text[:_ID_LENGTH] for value in values if (text := _text(value))), None)


def _text(value: object) -> str:
    """Return a name as text; an empty text for a value that is no name."""
    is_name = _is(value, str, int, float, UUID) and not _is(value, bool)
    return str(to_jsonable(value)).strip() if is_name else ""


def _is(value: object, *kinds: type) -> bool:
    # Not isinstance(), which reads __class__: that of a proxy object may raise.
    return issubclass(type(value), kinds)
