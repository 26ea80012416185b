"""Which requests to the gateway are for a model, and what kind of call each is."""

from __future__ import annotations

import json
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._instrumentation.target import Target
from mlflow_litellm._payloads.kinds import (
    anthropic_messages,
    audio,
    chat,
    embedding,
    generate_content,
    images,
    interactions,
    mcp,
    moderation,
    ocr,
    other,
    rerank,
    responses,
    search,
    text_completion,
    vector_stores,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# By what their paths end with, under whatever prefix: a version, a provider, an engine. The first
# that fits is it.
# https://docs.litellm.ai/docs/supported_endpoints
_KINDS = (
    ("/chat/completions", SpanType.LLM, chat),
    ("/completions", SpanType.LLM, text_completion),
    ("/embeddings", SpanType.EMBEDDING, embedding),
    ("/responses", SpanType.LLM, responses),
    ("/responses/compact", SpanType.LLM, responses),
    ("/v1/messages", SpanType.LLM, anthropic_messages),
    (":generateContent", SpanType.LLM, generate_content),
    (":streamGenerateContent", SpanType.LLM, generate_content),
    ("/interactions", SpanType.LLM, interactions),
    ("/images/generations", SpanType.LLM, images),
    ("/images/edits", SpanType.LLM, images),
    ("/audio/speech", SpanType.LLM, audio),
    ("/audio/transcriptions", SpanType.LLM, audio),
    ("/rerank", SpanType.RERANKER, rerank),
    ("/moderations", SpanType.GUARDRAIL, moderation),
    ("/vector_stores/[^/]+/search", SpanType.RETRIEVER, vector_stores),
    ("/search", SpanType.RETRIEVER, search),
    ("/search/[^/]+", SpanType.RETRIEVER, search),
    ("/ocr", SpanType.PARSER, ocr),
    ("/rag/query", SpanType.CHAIN, chat),
    ("/videos(?:/edits|/extensions|/[^/]+/remix)?", SpanType.LLM, other),
    ("/decisions", SpanType.LLM, other),
    ("/systemone", SpanType.LLM, other),
    ("/extraction", SpanType.LLM, other),
)
_TARGETS = [
    (re.compile(f"{ending}/?$"), Target(ending, span_type, payload, is_composite=True))
    for ending, span_type, payload in _KINDS
]
# MCP's own transport, by JSON-RPC, and LiteLLM's route for a tool.
MCP = Target("/mcp", SpanType.CHAIN, mcp, is_composite=True)
_MCP_PATHS = re.compile(r"/(?:mcp(?:/[^/]+)?|(?:toolset/)?[^/]+/mcp)/?$")
_MCP_TOOLS = re.compile(r"/mcp-rest/tools/call/?$")
# What opens, counts or ends a call, which LiteLLM answers itself also where it passes others on.
_ABOUT_A_CALL = re.compile(r"^/openai/v1/(?:realtime/|responses/(?:input_tokens|[^/]+/cancel))")
_PASSED_THROUGH = Target("pass-through", SpanType.LLM, other, is_composite=True)
# By a field of theirs, where a path of the gateway's own says nothing.
_FIELDS = {
    "messages": Target("messages", SpanType.LLM, chat, is_composite=True),
    "contents": Target("contents", SpanType.LLM, generate_content, is_composite=True),
}


def target_of(path: str) -> Target | None:
    """
    Return what kind of call a request is: a door of the gateway's own, which makes further calls.

    Args:
        path: The path of a POST, below the gateway's root.

    Returns:
        Its span type is that of a call that the gateway passes through, without LiteLLM's
        functions. None of a request for no model, such as one for a key.
    """
    if _ABOUT_A_CALL.search(path):
        return None
    found = _known(path) or (_PASSED_THROUGH if _is_passed_through(path) else None)
    if found is None and (_MCP_PATHS.match(path) or _MCP_TOOLS.match(path)):
        return MCP
    return found


def asks_a_server(path: str, body: bytes) -> bool:
    """
    Return whether a request to the MCP server is one for a tool, a prompt or a resource.

    The others open a session, keep it up, or answer what the server asked.

    Args:
        path: The request's.
        body: What has come of it so far; what cannot be read may be such a request.
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
    """Return what kind of call a passed-through request is, by its body too where need be."""
    if target is not _PASSED_THROUGH:
        return target
    return next((found for field, found in _FIELDS.items() if field in body), target)


@lru_cache(maxsize=1024)
def _known(path: str) -> Target | None:
    found = next((target for pattern, target in _TARGETS if pattern.search(path)), None)
    # LiteLLM does not count its queue among the routes for models.
    is_queued = path.startswith("/queue/")
    return found if is_queued or (found and _is_reached(path)) else None


def _is_reached(path: str) -> bool:
    return _is_for_models(path) or _is_passed_through(path)


def _is_for_models(path: str) -> bool:
    return _ask("litellm.proxy.auth.route_checks", "RouteChecks.is_llm_api_route", path)


def _is_passed_through(path: str) -> bool:
    return _ask(
        "litellm.proxy.pass_through_endpoints.pass_through_endpoints",
        "InitPassThroughEndpointHelpers.is_registered_pass_through_route",
        path,
    )


def _ask(module: str, name: str, path: str) -> bool:
    """Ask one of LiteLLM's functions about a path; without it the answer is no."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return bool(found and found(path))
