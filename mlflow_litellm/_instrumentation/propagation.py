"""
Send the current span's ids to the LiteLLM Proxy, in the header ``traceparent``.

No other provider gets the header by default: a vendor of models need not know the id of a trace.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from mlflow.tracing import get_tracing_context_headers_for_http_request

from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.kind import Kind

_PROXY = "litellm_proxy"
_HEADERS = ("extra_headers", "headers")
_TRACEPARENT = "traceparent"


def with_traceparent(
    kind: Kind, arguments: Mapping[str, Any], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """
    Return the keyword arguments of a call, with the header ``traceparent`` if it is to be sent.

    It is sent if the provider is a LiteLLM Proxy, or if
    ``litellm.forward_traceparent_to_llm_provider`` is set. A ``traceparent`` from the caller stays.

    Args:
        kind: The kind of call.
        arguments: All arguments of the call by name.
        kwargs: The keyword arguments of the call; neither they nor their headers are changed.
    """
    with guard("sending the header traceparent"):
        if kind.takes_headers and _is_wanted(arguments) and not _has_traceparent(kwargs):
            headers = get_tracing_context_headers_for_http_request()
            # Copies: LiteLLM 1.98 and before merge one into the other in place.
            merged = {name: dict(kwargs[name]) for name in _HEADERS if kwargs.get(name)}
            merged["extra_headers"] = {**merged.get("extra_headers", {}), **headers}
            return {**kwargs, **merged}
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


def _has_traceparent(kwargs: Mapping[str, Any]) -> bool:
    return any(
        str(name).lower() == _TRACEPARENT for key in _HEADERS for name in kwargs.get(key) or ()
    )
