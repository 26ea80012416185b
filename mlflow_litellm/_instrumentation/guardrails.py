"""
Make a span for each run of a guardrail, at its end: LiteLLM reports the run only then.

The findings of a guardrail are not recorded: texts, the response of its provider, and the maps that
undo a mask. https://docs.litellm.ai/docs/proxy/guardrails/quick_start
"""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._common import attributes as names
from mlflow_litellm._instrumentation import context
from mlflow_litellm._payloads.base import Request, Response, StreamError
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.span import CallSpan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._common.patching import Wrapper

# LiteLLM's names of a guardrail's actions. Any other response may quote a message.
_ACTIONS = frozenset({"allow", "block", "deny", "mask"})
_FOR_LOGS = "logging_only"
_FAILED = "guardrail_failed_to_respond"
_INTERVENED = "guardrail_intervened"
# The error types that mean a block. LiteLLM's metrics have only the type of an error.
_BLOCKS = frozenset({
    "BlockedPiiEntityError", "GuardrailRaisedException", "HTTPException", "ModifyResponseException",
    "SensitiveDataRouteException",
})  # fmt: skip
# The names of the guardrails whose runs LiteLLM has recorded.
_recorded: set[str] = set()


class GuardrailError(StreamError):
    """A guardrail that gave no verdict, with LiteLLM's status for it."""


def record_run(wrapped: Any, guardrail: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``CustomGuardrail.add_standard_logging_guardrail_information_to_request_data``."""
    result = wrapped(*args, **kwargs)
    with guard("recording a guardrail"):
        parameters = inspect.signature(wrapped).parameters
        fields = {**dict(zip(parameters, args, strict=False)), **kwargs}
        name = str(guardrail.guardrail_name or type(guardrail).__name__)
        _recorded.add(name)
        mode = to_jsonable(fields.get("event_type") or _mode(guardrail.event_hook))
        attributes = {
            names.GUARDRAIL_MODE: mode,
            names.GUARDRAIL_STATUS: fields.get("guardrail_status"),
            names.GUARDRAIL_PROVIDER: fields.get("guardrail_provider"),
            names.GUARDRAIL_ACTION: _action(fields.get("guardrail_json_response")),
            names.MASKED_ENTITY_COUNT: to_jsonable(fields.get("masked_entity_count")) or None,
        }
        _record(name, attributes, fields.get("duration"))
    return result


def record_metrics(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``ProxyLogging._emit_guardrail_metrics``, for guardrails that record nothing."""
    result = wrapped(*args, **kwargs)
    with guard("recording a guardrail"):
        fields = {**dict(zip(inspect.signature(wrapped).parameters, args, strict=False)), **kwargs}
        if (name := str(fields["guardrail_name"])) not in _recorded:
            status = fields["status"]
            if status != "success":
                status = _INTERVENED if fields.get("error_type") in _BLOCKS else _FAILED
            attributes = {names.GUARDRAIL_MODE: fields["hook_type"], names.GUARDRAIL_STATUS: status}
            _record(name, attributes, fields.get("latency_seconds"))
    return result


def _mode(configured: object) -> Any:
    """Return "logging_only" if it is configured and the call has ended, else all modes."""
    return (
        _FOR_LOGS
        if _FOR_LOGS in str(to_jsonable(configured)) and context.call_has_ended()
        else configured
    )


def _action(response: object) -> str | None:
    return response if isinstance(response, str) and response in _ACTIONS else None


def _record(name: str, attributes: Mapping[str, Any], seconds: object) -> None:
    recorded = {key: value for key, value in attributes.items() if value is not None}
    began = time.time_ns() - int(seconds * 1e9) if isinstance(seconds, (int, float)) else None
    status = str(recorded.get(names.GUARDRAIL_STATUS))
    if recorded.get(names.GUARDRAIL_MODE) == _FOR_LOGS or context.call_has_ended():
        # If the request's trace has been sent, the span would begin a trace of its own.
        if (last := context.last_call()) is not None:
            last.record_late(status, lambda: _write(name, recorded, began, None))
        return
    outer = context.current_call()
    _write(name, recorded, began, outer)
    if outer is not None:
        outer.add_guardrail(name, str(recorded.get(names.GUARDRAIL_MODE)), status)


def _write(
    name: str, attributes: Mapping[str, Any], began: int | None, outer: context.CallContext | None
) -> None:
    span = CallSpan(f"guardrail {name}", SpanType.GUARDRAIL, began)
    context.started(span, outer)
    span.record(Request({}, attributes={names.GUARDRAIL_NAME: name, **attributes}))
    if (status := str(attributes.get(names.GUARDRAIL_STATUS))) == _FAILED:
        span.fail(GuardrailError(status), Response())
    else:
        span.finish(Response())


# By module and function. The first is public; the second is private, and reports guardrails that
# record nothing themselves.
GUARDRAIL_WRAPPERS: dict[str, dict[str, Wrapper]] = {
    "litellm.integrations.custom_guardrail": {
        "CustomGuardrail.add_standard_logging_guardrail_information_to_request_data": record_run
    },
    "litellm.proxy.utils": {"ProxyLogging._emit_guardrail_metrics": record_metrics},
}
