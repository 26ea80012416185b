"""
Patch the functions that LiteLLM runs guardrails and the tools of MCP servers with.

LiteLLM imports these modules when it needs them, and has moved some between versions. Each is
patched when it is imported, under any of its names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt

from mlflow_litellm._common.patching import Patch, apply_all, holder_of
from mlflow_litellm._instrumentation import guardrails, mcp
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_MANAGER = {"MCPServerManager.call_tool": mcp.run_tool}
_CLIENT = {"MCPClient.call_tool": mcp.send_tool}
_SESSION = {
    "call_openai_tool": mcp.call_openai_tool,
    "load_mcp_tools": mcp.load_tools,
}
_TURN = {"aresponses": mcp.take_turn}
# The first is public; the second is private, and reports guardrails that record nothing themselves.
_RECORD = {
    "CustomGuardrail.add_standard_logging_guardrail_information_to_request_data": (
        guardrails.record_run
    )
}
_METRICS = {"ProxyLogging._emit_guardrail_metrics": guardrails.record_metrics}
_TARGETS: dict[str, dict[str, Any]] = {
    "litellm.responses.main": _TURN,
    # This module holds the function under another name.
    "litellm.responses.mcp.litellm_proxy_mcp_handler": _TURN,
    "litellm.proxy._experimental.mcp_server.mcp_server_manager": _MANAGER,
    "litellm.proxy.mcp_server.mcp_server_manager": _MANAGER,
    "litellm.experimental_mcp_client.client": _CLIENT,
    "litellm.mcp_client.client": _CLIENT,
    "litellm.experimental_mcp_client": _SESSION,
    "litellm.mcp_client": _SESSION,
    "litellm.integrations.custom_guardrail": _RECORD,
    "litellm.proxy.utils": _METRICS,
}

_patches: list[Patch] = []
_is_watching = False


def late_patches() -> list[Patch]:
    """Return the patches of the modules that have been imported so far."""
    return list(_patches)


def watch(is_enabled: Callable[[], bool], patches_now: Callable[[], bool]) -> None:
    """
    Patch each module when it is imported. Is idempotent.

    Args:
        is_enabled: Returns whether to trace a call; called at each call.
        patches_now: Returns whether to apply the patches now; called when a module is imported.
    """
    global _is_watching
    if _is_watching:
        return
    _is_watching = True

    def imported(module: ModuleType) -> None:
        with guard("patching an imported module"):
            patches = _found(module, is_enabled)
            _patches.extend(patches)
            if patches_now():
                apply_all(patches)

    for name in _TARGETS:
        wrapt.register_post_import_hook(imported, name)


def _found(module: ModuleType, is_enabled: Callable[[], bool]) -> list[Patch]:
    # The module of an old name may be the same object as the module of the new name.
    patched = {(id(patch.holder), patch.name) for patch in _patches}
    wrappers = _TARGETS.get(module.__name__, {})
    targets = [(*holder_of(module, name), wrapper) for name, wrapper in wrappers.items()]
    return [
        Patch(holder, name, wrapper, is_enabled)
        for holder, name, wrapper in targets
        if (id(holder), name) not in patched
    ]
