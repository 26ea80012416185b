"""
Find the proxy's callbacks that may change or block a request's content, or mask it in logs.

https://docs.litellm.ai/docs/proxy/guardrails/quick_start
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.integrations.custom_logger import CustomLogger

from mlflow_litellm._common.patching import Patch, apply_all
from mlflow_litellm._instrumentation.decision import tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LISTS = ("callbacks", "_async_success_callback", "success_callback")
_LOGGING = ("async_logging_hook", "logging_hook")
_HOOKS = (
    "async_pre_call_hook",
    "async_pre_call_deployment_hook",
    "async_moderation_hook",
    "async_post_call_success_hook",
    "async_post_call_success_deployment_hook",
    "async_post_call_streaming_hook",
    "async_post_call_streaming_iterator_hook",
    *_LOGGING,
)
# LiteLLM's own callbacks, which count, limit and log. Its guardrails are in other modules.
_HARMLESS = ("litellm.integrations.", "litellm.proxy.hooks.", "litellm.router", "mlflow_litellm.")
_NOT_HARMLESS = ("azure_content_safety",)
# The classes whose logging hook is patched.
_observed: set[type] = set()


@dataclass(frozen=True)
class Guards:
    """
    The callbacks that may change or block the content of a request.

    Attributes:
        masking: The callbacks among them that mask the content of logs.
        unmasks: Whether one of them undoes its masks before the client gets the response.
    """

    masking: tuple[Any, ...]
    unmasks: bool

    def expected(self, details: Mapping[str, Any]) -> list[Any]:
        """Return the callbacks whose logging hook LiteLLM runs for a call, by its details."""
        return [each for each in self.masking if _runs(each, details)]


def guards() -> Guards | None:
    """Return the callbacks that guard the proxy's requests now; None if there are none."""
    callbacks = [each for each in _callbacks() if _is_guard(each)]
    if not callbacks:
        return None
    masking = tuple(each for each in callbacks if _masks_logs(each))
    unmasks = any(getattr(each, "output_parse_pii", False) for each in callbacks)
    return Guards(masking, unmasks)


def observe(callbacks: tuple[Any, ...], record_result: Callable[[Any, Any, Any], None]) -> None:
    """
    Call `record_result` with each result of these callbacks' logging hooks. Is idempotent.

    Args:
        callbacks: LiteLLM's callbacks.
        record_result: Takes a callback, the details that it got, and its result.
    """

    async def observed(wrapped: Any, callback: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        result = await wrapped(*args, **kwargs)
        record_result(callback, kwargs.get("kwargs") or next(iter(args), None), result)
        return result

    for callback in callbacks:
        holder = next(each for each in type(callback).__mro__ if _LOGGING[0] in vars(each))
        if holder not in _observed:
            _observed.add(holder)
            apply_all([Patch(holder, _LOGGING[0], observed, tracing.is_enabled)])


def _callbacks() -> Iterator[Any]:
    litellm = sys.modules["litellm"]
    seen = set()
    for name in _LISTS:
        for callback in getattr(litellm, name, ()):
            if isinstance(callback, CustomLogger) and id(callback) not in seen:
                seen.add(id(callback))
                yield callback


def _is_guard(callback: object) -> bool:
    if isinstance(callback, CustomGuardrail):
        return True
    kind = type(callback)
    module = str(kind.__module__)
    is_harmless = module.startswith(_HARMLESS) and not module.endswith(_NOT_HARMLESS)
    return not is_harmless and any(_overrides(kind, hook) for hook in _HOOKS)


def _masks_logs(callback: object) -> bool:
    if not any(_overrides(type(callback), hook) for hook in _LOGGING):
        return False
    event = getattr(callback, "event_hook", None)
    # A guardrail without a mode runs in each mode.
    return event is None or "logging_only" in str(event)


def _runs(callback: object, details: Mapping[str, Any]) -> bool:
    if not isinstance(callback, CustomGuardrail):
        return True
    from litellm.types.guardrails import GuardrailEventHooks

    event = GuardrailEventHooks.logging_only
    return callback.should_run_guardrail(data=details, event_type=event) is True


def _overrides(kind: type, hook: str) -> bool:
    return getattr(kind, hook, None) is not getattr(CustomLogger, hook, None)
