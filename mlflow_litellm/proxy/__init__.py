"""
Trace every request through LiteLLM Proxy, by one line of its configuration.

.. code-block:: yaml

    litellm_settings:
      callbacks: ["mlflow_litellm.proxy.handler"]

https://docs.litellm.ai/docs/proxy/logging
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import wrapt
from litellm.integrations.custom_logger import CustomLogger

from mlflow_litellm._common.patching import Patch, apply_all
from mlflow_litellm._instrumentation import autolog
from mlflow_litellm._instrumentation.decision import tracing
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.store import first_span
from mlflow_litellm._tracing.store.experiment import root_experiment_id
from mlflow_litellm.proxy import _export, _middleware
from mlflow_litellm.proxy._verdict import verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["handler"]

# The module has moved. Its old name is the same module.
_MCP_AUTH = (
    "litellm.proxy._experimental.mcp_server.auth.user_api_key_auth_mcp",
    "litellm.proxy.mcp_server.auth.user_api_key_auth_mcp",
)


class _Handler(CustomLogger):  # type: ignore[misc]
    """
    LiteLLM's hooks for a request.

    Creating an instance switches tracing on, and adds the middleware to the proxy.
    https://docs.litellm.ai/docs/proxy/call_hooks
    """

    def __init__(self) -> None:
        super().__init__()
        autolog.autolog()
        with guard("tracing the proxy"):
            _middleware.install()
            _flush_at_stop()
            _identify_by_mcp()
        with guard("looking the experiment up"):
            # So the experiment is known when the first request comes.
            root_experiment_id()
        with guard("asking a Databricks workspace"):
            # So the workspace has answered when the first request comes.
            first_span.prepare_at_start()

    # LiteLLM passes these by name.
    async def async_pre_call_hook(
        self, *, user_api_key_dict: Any, call_type: Any, data: Mapping[str, Any], **_: object
    ) -> None:
        """Record the key and the call type of the request."""
        with guard("recording the key of a request"):
            if (request := _middleware.current()) is not None:
                request.identify(user_api_key_dict, call_type)
                request.record_data(data)

    async def async_log_success_event(
        self, kwargs: dict[str, Any], *_: object, **__: object
    ) -> None:
        """Pass LiteLLM's log of a call on: its texts may be recorded of a guarded request."""
        verdicts.read_log(kwargs)

    async def async_post_call_failure_hook(
        self,
        *,
        request_data: Mapping[str, Any],
        original_exception: Exception,
        user_api_key_dict: object,
        **_: object,
    ) -> None:
        """Record why a request failed: a bad key, a budget, a provider."""
        with guard("recording why a request failed"):
            if (request := _middleware.current()) is not None:
                request.identify(user_api_key_dict)
                request.record_failure(original_exception, request_data)


def _flush_at_stop() -> None:
    """
    Send the traces when the proxy stops.

    The server ends the process with the signal that stopped it, and this runs no exit handlers:
    https://github.com/encode/uvicorn/pull/1600. LiteLLM has no hook for the stop.
    """
    server: Any = sys.modules.get("litellm.proxy.proxy_server")
    if hasattr(server, "proxy_shutdown_event"):
        apply_all([Patch(server, "proxy_shutdown_event", _flush_and_stop, tracing.is_enabled)])


def _identify_by_mcp() -> None:
    """Record the key of requests to the proxy's MCP server: LiteLLM runs no hook for its lists."""
    for name in _MCP_AUTH:
        wrapt.register_post_import_hook(_observe_auth, name)


def _observe_auth(module: Any) -> None:
    with guard("patching the check of keys for the MCP server"):
        # This function checks the key of a request. Other versions of LiteLLM may lack it.
        apply_all([Patch(module, "user_api_key_auth", _identified, tracing.is_enabled)])


async def _identified(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    key = await wrapped(*args, **kwargs)
    with guard("recording the key of a request to the MCP server"):
        if (request := _middleware.current()) is not None:
            request.identify(key)
    return key


async def _flush_and_stop(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    await _export.flush()
    return await wrapped(*args, **kwargs)


handler = _Handler()


def __getattr__(name: str) -> Any:
    # LiteLLM Proxy looks its callbacks up in this way.
    msg = f"module {__name__!r} has no attribute {name!r}"
    msg += f"; the callback of LiteLLM Proxy is {__name__}.handler"
    raise AttributeError(msg)
