"""
How calls of OpenAI's Responses API are read, and how the events of their streams are merged.

LiteLLM keeps OpenAI's format for every provider:
https://platform.openai.com/docs/api-reference/responses and
https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import cost
from mlflow_litellm._payloads.base import StreamError
from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.kind import Accumulator, Argument
from mlflow_litellm._payloads.media import has_media, redact_data, redact_media
from mlflow_litellm._payloads.secrets import redact_named_secrets
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.merge import fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response
    from mlflow_litellm._payloads.kind import Kind

_BEGUN = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDED = frozenset({"response.completed", "response.failed", "response.incomplete"})
_MESSAGE, _REASONING = "message", "reasoning"
# For each event type: the item's type, the two keys of the text in the item, and the part's type.
_DELTAS = {
    "response.output_text.delta": (_MESSAGE, "content", "text", "output_text"),
    "response.refusal.delta": (_MESSAGE, "content", "refusal", "refusal"),
    "response.reasoning_text.delta": (_REASONING, "content", "text", "reasoning_text"),
    "response.reasoning_summary_text.delta": (_REASONING, "summary", "text", "summary_text"),
    "response.function_call_arguments.delta": ("function_call", "arguments", "", ""),
    "response.mcp_call_arguments.delta": ("mcp_call", "arguments", "", ""),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "input", "", ""),
    "response.code_interpreter_call_code.delta": ("code_interpreter_call", "code", "", ""),
}
_ITEMS = frozenset({"response.output_item.added", "response.output_item.done"})
# Items that hold pictures or files outside the content of a message.
_PICTURES = frozenset({"code_interpreter_call", "image_generation_call"})
_OF_MEDIA = _PICTURES | {"computer_call_output", "function_call_output"}


def _hold_media(items: object) -> bool:
    """Return whether items hold anything other than text."""
    if has_media(items):
        return True
    return any(
        item["type"] in _PICTURES or isinstance(item.get("output"), (dict, list))
        for item in dicts(items)
        if item.get("type") in _OF_MEDIA
    )


def _redact_items(items: list[Any]) -> list[Any]:
    """Return items with their media as data URIs, and without the signatures in URLs."""
    return [
        redact_data(item)
        if isinstance(item, dict) and item.get("type") in _OF_MEDIA
        else redact_media([item])[0]
        for item in items
    ]


ARGUMENTS = {
    "input": Argument(is_media=_hold_media, redact=_redact_items),
    # The variables of a stored prompt may have a secret's name.
    "prompt": Argument(redact=redact_named_secrets),
}


def read_response(parsed: Response, _: object) -> None:
    """Record the finish reason, and turn media into data URIs."""
    outputs = parsed.outputs
    incomplete = outputs.get("incomplete_details")
    reason = incomplete.get("reason") if isinstance(incomplete, dict) else None
    if reason := reason or outputs.get("status"):
        parsed.finish_reasons = [reason]
    if _hold_media(outputs.get("output")):
        parsed.has_media = True
        outputs["output"] = _redact_items(outputs["output"])


class ResponseAccumulator(Accumulator):
    """Merges events into the response."""

    def __init__(self, kind: Kind, arguments: Mapping[str, Any], stream: object) -> None:
        super().__init__(kind, arguments, stream)
        self._begun: dict[str, Any] = {"object": "response"}
        self._ended: dict[str, Any] | None = None
        self._response: Any = None
        self._items: dict[tuple[Any, Any], _Item] = {}

    def add(self, event: object) -> None:
        """Add one event, an object or a dict."""
        values = event if type(event) is dict else vars(event)
        kind = values.get("type")
        # An Enum that is a str has another hash.
        kind = kind if type(kind) is str else getattr(kind, "value", None)
        if (path := _DELTAS.get(kind)) is not None:  # type: ignore[arg-type]
            # If LiteLLM has no class for the event, its fields are among the extras.
            values = values if "delta" in values else fields(event)
            self._item(path[0], values.get("item_id"), values).add(path, values)
            self._has_content = self._has_content or path[0] != _REASONING
        elif kind in _ITEMS or kind in _BEGUN or kind in _ENDED or kind == "error":
            self._add_whole(kind, fields(event))

    def _add_whole(self, kind: object, values: Mapping[str, Any]) -> None:
        if kind in _ITEMS:
            item = to_jsonable(values.get("item"))
            if isinstance(item, dict):
                output_item = self._item(item.get("type"), item.get("id"), values)
                output_item.update(item, is_done=kind.endswith("done"))
        elif kind == "error":
            self.error = _error(values)
        else:
            response = to_jsonable(values.get("response"))
            if isinstance(response, dict) and kind in _BEGUN:
                self._begun = {**self._begun, **response}
            elif isinstance(response, dict):
                self._ended, self._response = response, values["response"]
            if kind == "response.failed":
                self.error = _error(response if isinstance(response, dict) else {})

    def _item(self, kind: object, name: object, values: Mapping[str, Any]) -> _Item:
        index = values.get("output_index")
        # Some of LiteLLM's bridges give each event another id; others give all items one index.
        key = (index, kind) if kind in (_MESSAGE, _REASONING) else (kind, name or index)
        if (item := self._items.get(key)) is None:
            item = self._items[key] = _Item(kind, name)
        return item

    def outputs(self) -> dict[str, Any]:
        """Return the last event's response; if the stream ended early, the response so far."""
        if self._ended is not None:
            return dict(self._ended)
        return {**self._begun, "output": [item.merged() for item in self._items.values()]}

    def cost(self, parsed: Response, hidden_params: Mapping[str, Any]) -> dict[str, float] | None:
        """Return the cost of the response so far, from the last event's response if it has come."""
        return cost.merged_cost(
            parsed, self._logging, hidden_params, self._arguments, self._response
        )


class _Item:
    """One item of the output, which arrives in fragments."""

    def __init__(self, kind: object, name: object) -> None:
        self._fields: dict[str, Any] = {"type": kind}
        if kind == _MESSAGE:
            self._fields["role"] = "assistant"
        if name is not None:
            self._fields["id"] = name
        self._is_done = False
        self._texts: dict[tuple[Any, ...], list[str]] = defaultdict(list)

    def update(self, item: dict[str, Any], *, is_done: bool) -> None:
        """Add the item itself, from the events of its start and its end."""
        self._fields.update(item)
        self._is_done = is_done

    def add(self, path: tuple[str, str, str, str], values: Mapping[str, Any]) -> None:
        """Add the next fragment."""
        index = values.get("summary_index" if path[1] == "summary" else "content_index")
        self._texts[(index or 0, *path)].append(values.get("delta") or "")

    def merged(self) -> dict[str, Any]:
        """Return the item so far."""
        item = dict(self._fields)
        parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for (_, _, key, name, kind), pieces in () if self._is_done else self._in_order():
            text = to_jsonable("".join(pieces))
            if name:
                parts[key].append({"type": kind, name: text})
            else:
                item[key] = text
        parsed = {key: [*(item.get(key) or []), *further] for key, further in parts.items()}
        return {**item, **parsed}

    def _in_order(self) -> list[tuple[tuple[Any, ...], list[str]]]:
        return sorted(self._texts.items())


def _error(values: Mapping[str, Any]) -> StreamError:
    """Return the error in an event or in a failed response."""
    inner = fields(values.get("error")) or values
    code, message = inner.get("code"), inner.get("message")
    return StreamError(": ".join(str(part) for part in (code, message) if part))
