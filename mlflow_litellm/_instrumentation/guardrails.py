"""
The span of each run of a guardrail, made as it ends: LiteLLM tells of it then.

What a guardrail found is not recorded: texts, the answer of its provider, and maps that undo a
mask. https://docs.litellm.ai/docs/proxy/guardrails/quick_start
"""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._instrumentation import context
from mlflow_litellm._payloads.base import Request, Response, StreamError
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.span import CallSpan

if TYPE_CHECKING:
    from collections.abc import Mapping

# LiteLLM's words for what was done. Any other response may quote what was said.
_ACTIONS = frozenset({"allow", "block", "deny", "mask"})
_FOR_LOGS = "logging_only"
_FAILED = "guardrail_failed_to_respond"
_INTERVENED = "guardrail_intervened"
# By LiteLLM's metrics, which know an error's type alone.
_BLOCKS = frozenset({
    "BlockedPiiEntityError", "GuardrailRaisedException", "HTTPException", "ModifyResponseException",
    "SensitiveDataRouteException",
})  # fmt: skip
# The names of guardrails that LiteLLM has recorded a run of.
_recorded: set[str] = set()


class GuardrailError(StreamError):
    """What LiteLLM says of a guardrail that gave no verdict."""


def record_run(wrapped: Any, guardrail: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Wrap ``CustomGuardrail.add_standard_logging_guardrail_information_to_request_data``."""
    result = wrapped(*args, **kwargs)
    with guard("recording a guardrail"):
        names = inspect.signature(wrapped).parameters
        fields = {**dict(zip(names, args, strict=False)), **kwargs}
        name = str(guardrail.guardrail_name or type(guardrail).__name__)
        _recorded.add(name)
        mode = to_jsonable(fields.get("event_type") or _mode(guardrail.event_hook))
        attributes = {
            "guardrail_mode": mode,
            "guardrail_status": fields.get("guardrail_status"),
            "guardrail_provider": fields.get("guardrail_provider"),
            "guardrail_action": _action(fields.get("guardrail_json_response")),
            "masked_entity_count": to_jsonable(fields.get("masked_entity_count")) or None,
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
            attributes = {"guardrail_mode": fields["hook_type"], "guardrail_status": status}
            _record(name, attributes, fields.get("latency_seconds"))
    return result


def _mode(configured: Any) -> Any:
    """Return the mode that a guardrail runs in, of several if it does not say which."""
    return (
        _FOR_LOGS
        if _FOR_LOGS in str(to_jsonable(configured)) and context.call_has_ended()
        else configured
    )


def _action(response: Any) -> str | None:
    return response if isinstance(response, str) and response in _ACTIONS else None


def _record(name: str, attributes: Mapping[str, Any], seconds: Any) -> None:
    known = {key: value for key, value in attributes.items() if value is not None}
    began = time.time_ns() - int(seconds * 1e9) if isinstance(seconds, (int, float)) else None
    status = str(known.get("guardrail_status"))
    if known.get("guardrail_mode") == _FOR_LOGS or context.call_has_ended():
        # Its span would begin a trace of its own, if the request's has been sent.
        if (last := context.last()) is not None:
            last.record_late(status, lambda: _write(name, known, began, None))
        return
    outer = context.current_call()
    _write(name, known, began, outer)
    if outer is not None:
        outer.add_guardrail(name, str(known.get("guardrail_mode")), status)


def _write(
    name: str, known: Mapping[str, Any], began: int | None, outer: context.CallContext | None
) -> None:
    span = CallSpan(f"guardrail {name}", SpanType.GUARDRAIL, began)
    context.started(span, outer)
    span.record(Request({}, attributes={"guardrail_name": name, **known}))
    if (status := str(known.get("guardrail_status"))) == _FAILED:
        span.fail(GuardrailError(status), Response())
    else:
        span.finish(Response())
