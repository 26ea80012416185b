"""
Tells the LiteLLM Proxy which span its request belongs to, by the header ``traceparent``.

Nobody else is told unasked: what a trace is called is no affair of a vendor of models.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from mlflow.tracing import get_tracing_context_headers_for_http_request

from mlflow_litellm._payloads.kinds import (
    anthropic_messages,
    chat,
    embedding,
    responses,
    text_completion,
)
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Payload

_PROXY = "litellm_proxy"
# Kinds of call of which LiteLLM sends the headers that it is given, and nothing else of them.
_TAKE_HEADERS = (chat, embedding, anthropic_messages, responses, text_completion)
_HEADERS = ("extra_headers", "headers")
_TRACEPARENT = "traceparent"


def fields(
    payload: Payload, arguments: Mapping[str, Any], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """
    Return the arguments of a call that tell its provider of the current span, if it is to know.

    It is where it is a LiteLLM Proxy, and where ``litellm.forward_traceparent_to_llm_provider``
    is set. A ``traceparent`` that the caller gives stays.

    Args:
        payload: What kind of call it is.
        arguments: Its arguments by name.
        kwargs: Its arguments given by name; is not changed, and neither are headers in it.
    """
    with guard("telling a provider of the span"):
        if payload in _TAKE_HEADERS and _is_wanted(arguments) and not _is_given(kwargs):
            headers = get_tracing_context_headers_for_http_request()
            # Copies: LiteLLM 1.98 and before add the one to the other in place.
            given = {name: dict(kwargs[name]) for name in _HEADERS if kwargs.get(name)}
            given["extra_headers"] = {**given.get("extra_headers", {}), **headers}
            return {**kwargs, **given}
    return kwargs


def _is_wanted(arguments: Mapping[str, Any]) -> bool:
    litellm = sys.modules["litellm"]
    return (
        str(arguments.get("model")).startswith(f"{_PROXY}/")
        or arguments.get("custom_llm_provider") == _PROXY
        # https://docs.litellm.ai/docs/providers/litellm_proxy
        or bool(arguments.get("use_litellm_proxy"))
        or getattr(litellm, "use_litellm_proxy", False)
        or os.environ.get("USE_LITELLM_PROXY", "").lower() == "true"
        or getattr(litellm, "forward_traceparent_to_llm_provider", False)
    )


def _is_given(kwargs: Mapping[str, Any]) -> bool:
    return any(
        str(name).lower() == _TRACEPARENT for key in _HEADERS for name in kwargs.get(key) or ()
    )
