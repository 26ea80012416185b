"""Find the requests to LiteLLM Proxy that are for a model, and the kind of call of each."""

from __future__ import annotations

import json
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._instrumentation.target import Target
from mlflow_litellm._payloads.kinds.table import (
    ANTHROPIC_MESSAGES,
    AUDIO,
    CHAT,
    EMBEDDING,
    GENERATE_CONTENT,
    IMAGES,
    INTERACTIONS,
    MCP,
    MODERATION,
    OCR,
    OTHER,
    RERANK,
    RESPONSES,
    SEARCH,
    TEXT_COMPLETION,
    VECTOR_STORES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.kind import Kind

# The kind of call by the end of the path. Any prefix is allowed: a version, a provider, an engine.
# The first match counts.
# https://docs.litellm.ai/docs/supported_endpoints
_KINDS = (
    ("/chat/completions", CHAT),
    ("/completions", TEXT_COMPLETION),
    ("/embeddings", EMBEDDING),
    ("/responses", RESPONSES),
    ("/responses/compact", RESPONSES),
    ("/v1/messages", ANTHROPIC_MESSAGES),
    (":generateContent", GENERATE_CONTENT),
    (":streamGenerateContent", GENERATE_CONTENT),
    ("/interactions", INTERACTIONS),
    ("/images/generations", IMAGES),
    ("/images/edits", IMAGES),
    ("/audio/speech", AUDIO),
    ("/audio/transcriptions", AUDIO),
    ("/rerank", RERANK),
    ("/moderations", MODERATION),
    ("/vector_stores/[^/]+/search", VECTOR_STORES),
    ("/search", SEARCH),
    ("/search/[^/]+", SEARCH),
    ("/ocr", OCR),
    ("/videos(?:/edits|/extensions|/[^/]+/remix)?", OTHER),
    ("/decisions", OTHER),
    ("/systemone", OTHER),
    ("/extraction", OTHER),
)


def _target(name: str, kind: Kind, span_type: str | None = None) -> Target:
    return Target(name, span_type or kind.span_type, kind, is_composite=True)


_TARGETS = [
    *((re.compile(f"{ending}/?$"), _target(ending, kind)) for ending, kind in _KINDS),
    (re.compile("/rag/query/?$"), _target("/rag/query", CHAT, SpanType.CHAIN)),
]
# MCP's own transport, by JSON-RPC, and LiteLLM's path for a tool call.
MCP_TARGET = _target("/mcp", MCP, SpanType.CHAIN)
_MCP_PATHS = re.compile(r"/(?:mcp(?:/[^/]+)?|(?:toolset/)?[^/]+/mcp)/?$")
_MCP_TOOLS = re.compile(r"/mcp-rest/tools/call/?$")
# Requests that open, count or end a call. LiteLLM answers them itself, also if it passes others on.
_ABOUT_A_CALL = re.compile(r"^/openai/v1/(?:realtime/|responses/(?:input_tokens|[^/]+/cancel))")
_PASSED_THROUGH = _target("pass-through", OTHER)
# The kind of call by a field of the body, if the path does not show it.
_FIELDS = {
    "messages": _target("messages", CHAT),
    "contents": _target("contents", GENERATE_CONTENT),
}


def target_of(path: str) -> Target | None:
    """
    Return the kind of call of a request, as a composite target.

    Args:
        path: The path of a POST, below the proxy's root path.

    Returns:
        The target; None if the request is for no model, such as one for a key. Its span type is
        used if the proxy passes the call through, without LiteLLM's functions.
    """
    if _ABOUT_A_CALL.search(path):
        return None
    target = _model_target(path) or (_PASSED_THROUGH if _is_passed_through(path) else None)
    if target is None and (_MCP_PATHS.match(path) or _MCP_TOOLS.match(path)):
        return MCP_TARGET
    return target


def calls_server(path: str, body: bytes) -> bool:
    """
    Return whether a request to the MCP server is for a tool, a prompt or a resource.

    Other requests open a session, keep it open, or answer a request of the server.

    Args:
        path: The path of the request.
        body: The received part of the body. If it cannot be read, the result is True.
    """
    if not _MCP_PATHS.match(path):
        return True
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return True
    method = fields.get("method") if isinstance(fields, dict) else None
    return isinstance(method, str) and method.startswith(("prompts/", "resources/", "tools/"))


def target_passed_through(target: Target, body: Mapping[str, Any]) -> Target:
    """Return the kind of call of a request that is passed through, if needed by its body."""
    if target is not _PASSED_THROUGH:
        return target
    return next((each for field, each in _FIELDS.items() if field in body), target)


@lru_cache(maxsize=1024)
def _model_target(path: str) -> Target | None:
    match = next((target for pattern, target in _TARGETS if pattern.search(path)), None)
    # LiteLLM does not count its queue among the paths for models.
    is_queued = path.startswith("/queue/")
    return match if is_queued or (match and _is_reached(path)) else None


def _is_reached(path: str) -> bool:
    return _is_for_models(path) or _is_passed_through(path)


def _is_for_models(path: str) -> bool:
    return _result_of("litellm.proxy.auth.route_checks", "RouteChecks.is_llm_api_route", path)


def _is_passed_through(path: str) -> bool:
    return _result_of(
        "litellm.proxy.pass_through_endpoints.pass_through_endpoints",
        "InitPassThroughEndpointHelpers.is_registered_pass_through_route",
        path,
    )


def _result_of(module: str, name: str, path: str) -> bool:
    """Return the result of a function of LiteLLM's for a path; False without the function."""
    function: Any = sys.modules.get(module)
    for part in name.split("."):
        function = getattr(function, part, None)
    return bool(function and function(path))
