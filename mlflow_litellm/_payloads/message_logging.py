"""
LiteLLM's switches that hide a call's content from callbacks, and their precedence.

https://docs.litellm.ai/docs/proxy/logging#redact-messages-response-content
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TURN_OFF = "turn_off_message_logging"
_NO_LOG = "no-log"
_METADATA = ("litellm_metadata", "metadata")
# For a call with none of these arguments, only LiteLLM's global switch counts.
_SWITCHES = frozenset({_TURN_OFF, _NO_LOG, "litellm_params", "litellm_logging_obj", *_METADATA})
# Request headers that show or hide a call's content.
_DISABLE = "litellm-disable-message-redaction"
ENABLE = ("litellm-enable-message-redaction", "x-litellm-enable-message-redaction")
_FALSE = frozenset({"", "0", "false", "no", "off"})

# LiteLLM's rule, and the function of the versions that also read the switch in metadata.
_RULE = ("litellm.litellm_core_utils.redact_messages", "should_redact_message_logging")
_READS_METADATA = (
    "litellm.litellm_core_utils.initialize_dynamic_callback_params",
    "iter_client_callback_metadata_dicts",
)


def is_switched_off() -> bool:
    """Return whether LiteLLM's global switch hides the content of calls."""
    return getattr(sys.modules.get("litellm"), _TURN_OFF, False) is True


def is_excluded(*fields: str) -> bool:
    """
    Return whether LiteLLM hides one of these fields of its logging payload from callbacks.

    Args:
        fields: Names of fields of ``StandardLoggingPayload``.
    """
    litellm = sys.modules.get("litellm")
    excluded = getattr(litellm, "standard_logging_payload_excluded_fields", None)
    return isinstance(excluded, Collection) and any(field in excluded for field in fields)


def is_unlogged(arguments: Mapping[str, Any]) -> bool:
    """Return whether a call must not be logged at all: ``no-log``."""
    if getattr(sys.modules.get("litellm"), "global_disable_no_log_param", False):
        return False
    return _is_true(arguments.get(_NO_LOG)) or _is_true(_of_litellm(arguments).get(_NO_LOG))


def is_redacted(arguments: Mapping[str, Any], *, obeys_global: bool) -> bool:
    """
    Return whether a call's content is hidden from logs, by LiteLLM's own rule if it has one.

    Args:
        arguments: The call's arguments by name.
        obeys_global: Whether LiteLLM's global switch counts in addition to the call's switches.

    Raises:
        Exception: LiteLLM's rule cannot read the call's switches.
    """
    if not _SWITCHES & arguments.keys():
        return obeys_global and is_switched_off()
    details = _details(arguments)
    if not obeys_global and is_switched_off():
        return _should_redact(details, by_default=False)
    rule = _function(*_RULE)
    return bool(rule(details)) if rule else _should_redact(details, by_default=is_switched_off())


def _details(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of LiteLLM's ``model_call_details`` that its rule reads."""
    params = {name: arguments[name] for name in _METADATA if arguments.get(name) is not None}
    details: dict[str, Any] = {"litellm_params": params}
    turned_off = next(_turned_off(arguments), None)
    if turned_off is not None:
        details["standard_callback_dynamic_params"] = {_TURN_OFF: turned_off}
    return details


def _turned_off(arguments: Mapping[str, Any]) -> Iterator[bool]:
    """Yield the call's values of the switch; the first one counts."""
    if arguments.get(_TURN_OFF) is not None:
        yield _is_true(arguments[_TURN_OFF])
    if (logged := _of_litellm(arguments).get(_TURN_OFF)) is not None:
        yield _is_true(logged)
    nested = arguments.get("litellm_params")
    inner = nested.get("metadata") if isinstance(nested, dict) else None
    for metadata in (inner, *(arguments.get(name) for name in _METADATA)):
        if isinstance(metadata, dict) and metadata.get(_TURN_OFF) is not None:
            turned_off = _is_true(metadata[_TURN_OFF])
            # Older versions of LiteLLM Proxy, which do not read it there, let any client send it.
            if turned_off or _function(*_READS_METADATA):
                yield turned_off


def _of_litellm(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the switches that LiteLLM stored itself; LiteLLM Proxy does so before each call."""
    switches = getattr(
        arguments.get("litellm_logging_obj"), "standard_callback_dynamic_params", None
    )
    return switches if isinstance(switches, dict) else {}


def _should_redact(details: Mapping[str, Any], *, by_default: bool) -> bool:
    """Return the result of LiteLLM's rule, for a version of LiteLLM that has moved the rule."""
    params: Mapping[str, Any] = details["litellm_params"]
    sources = (params.get(name) for name in _METADATA)
    metadata: Any = next((each for each in sources if isinstance(each, dict)), {})
    headers = metadata.get("headers") or {}
    if headers.get(_DISABLE):
        return False
    dynamic = details.get("standard_callback_dynamic_params")
    if dynamic:
        return bool(dynamic[_TURN_OFF])
    return by_default or any(headers.get(name) for name in ENABLE)


def _is_true(value: object) -> bool:
    """Return whether a privacy switch is on. Any word other than no, off or false counts as on."""
    return value.strip().lower() not in _FALSE if isinstance(value, str) else bool(value)


def _function(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)
