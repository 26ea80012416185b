"""
What a request says of itself: tags, session, user, and what Router notes of its deployment.

LiteLLM takes these in ``metadata`` and ``litellm_metadata``, by the names that its Langfuse
integration documents: https://docs.litellm.ai/docs/observability/langfuse_integration
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from mlflow_litellm.payloads._plain import plain
from mlflow_litellm.payloads._secrets import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SOURCES = ("metadata", "litellm_metadata")
# Langfuse's keys of a trace; those of a generation stay with the span.
_TRACE_KEYS = ("trace_id", "trace_name", "trace_version", "trace_release")

# What LiteLLM itself puts there: of no use to the reader, or not meant to be seen.
_LITELLMS = frozenset({
    "api_base", "caching_groups", "deployment_model_name", "endpoint",
    "global_max_parallel_requests", "hidden_params", "llm_api_timing_windows", "max_retries",
    "model_group_alias", "model_group_size", "model_info", "original_model_group",
    "previous_models", "proxy_server_request", "requester_custom_headers", "requester_ip_address",
    "requester_metadata", "rpm", "tpm",
})  # fmt: skip
_LITELLMS_PREFIXES = ("_", "litellm_", "user_api_key")
# What Router notes there before it calls a deployment, as span attributes.
_ROUTERS = ("model_group", "deployment", "attempted_retries", "attempted_fallbacks")

# What MLflow's stores take for a tag's name and value; a trace with any other is refused whole.
# https://mlflow.org/docs/latest/genai/tracing/attach-tags/
_TAG_NAME_LENGTH = 250
_TAG_VALUE_LENGTH = 8000
_NOT_IN_A_TAG_NAME = re.compile(r"[^\w.\- /]")


def tags(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the trace tags of a request: ``"key:value"`` is split, a bare tag has no value."""
    found: dict[str, str] = {}
    for source in (arguments, *_dicts(arguments)):
        for tag in _tag_list(source.get("tags")):
            name, _, value = tag.partition(":")
            found[name.strip()] = value.strip()
    for source in _dicts(arguments):
        found.update((key, str(plain(source[key]))) for key in _TRACE_KEYS if source.get(key))
        found.update(_trace_metadata(source.get("trace_metadata")))
    return dict(_storable(found))


def session(arguments: Mapping[str, Any]) -> str | None:
    """Return the session that a request belongs to."""
    return _first(
        *(source.get("session_id") for source in _dicts(arguments)),
        arguments.get("litellm_session_id"),
    )


def user(arguments: Mapping[str, Any]) -> str | None:
    """Return whom a request is made for: ``trace_user_id``, or ``user=`` as OpenAI has it."""
    return _first(
        *(source.get("trace_user_id") for source in _dicts(arguments)),
        arguments.get("user"),
        *(
            source.get(key)
            for source in _dicts(arguments)
            for key in ("user_id", "user_api_key_end_user_id")
        ),
    )


def attributes(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span attributes: the request's own metadata, cleaned, and what Router noted."""
    sources = list(_dicts(arguments))
    own = {key: value for source in sources for key, value in source.items() if _is_own(key)}
    noted = {
        key: source[key] for source in sources for key in _ROUTERS if source.get(key) is not None
    }
    told = {key: plain(value) for key, value in noted.items()}
    if deployment := _deployment_id(arguments, sources):
        told["model_id"] = deployment
    return {**told, "metadata": cleaned(plain(own))} if own else told


def _dicts(arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    found = (arguments.get(name) for name in _SOURCES)
    return (source for source in found if isinstance(source, dict))


def _tag_list(given: Any) -> list[str]:
    return (
        [str(tag) for tag in given if isinstance(tag, (str, int))]
        if isinstance(given, (list, tuple))
        else []
    )


def _trace_metadata(given: Any) -> dict[str, str]:
    entries = cleaned(plain(given)) if isinstance(given, dict) else {}
    return {key: value if isinstance(value, str) else str(value) for key, value in entries.items()}


def _storable(found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in found.items():
        safe = _NOT_IN_A_TAG_NAME.sub("_", plain(name))[:_TAG_NAME_LENGTH]
        if safe != posixpath.normpath(safe) or safe.startswith((".", "/")):
            safe = safe.replace("/", "_").replace(".", "_")
        # Those are MLflow's own, and say where a trace is stored.
        if safe and not safe.startswith("mlflow."):
            yield safe, plain(value)[:_TAG_VALUE_LENGTH]


def _is_own(key: Any) -> bool:
    if key in _LITELLMS or key in _ROUTERS:
        return False
    return not str(key).startswith(_LITELLMS_PREFIXES)


def _deployment_id(arguments: Mapping[str, Any], sources: list[dict[str, Any]]) -> str | None:
    infos = [arguments.get("model_info"), *(source.get("model_info") for source in sources)]
    return _first(*(info.get("id") for info in infos if isinstance(info, dict)))


def _first(*values: Any) -> str | None:
    return next(
        (plain(str(value)) for value in values if isinstance(value, (str, int)) and value), None
    )
