"""
Merges the events of a responses stream into one response.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.base import StreamError
from mlflow_litellm._payloads.outputs import items
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.base import Streamed
from mlflow_litellm._payloads.streams.merge import fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

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


class Accumulator(Streamed):
    """Merges events into the response."""

    def __init__(self, arguments: Mapping[str, Any], stream: Any) -> None:
        super().__init__(arguments, stream)
        self._begun: dict[str, Any] = {"object": "response"}
        self._ended: dict[str, Any] | None = None
        self._response: Any = None
        self._items: dict[tuple[Any, Any], _Item] = {}

    def add(self, event: Any) -> None:
        """Add one event, an object or a dict."""
        values = event if type(event) is dict else vars(event)
        kind = values.get("type")
        # An Enum that is a str has another hash.
        kind = kind if type(kind) is str else getattr(kind, "value", None)
        if (path := _DELTAS.get(kind)) is not None:  # type: ignore[arg-type]
            # If LiteLLM has no class for the event, its fields are among the extras.
            values = values if "delta" in values else fields(event)
            self._item(path[0], values.get("item_id"), values).add(path, values)
            self.has_content = self.has_content or path[0] != _REASONING
        elif kind in _ITEMS or kind in _BEGUN or kind in _ENDED or kind == "error":
            self._tell(kind, fields(event))

    def _tell(self, kind: Any, values: Mapping[str, Any]) -> None:
        if kind in _ITEMS:
            item = to_jsonable(values.get("item"))
            if isinstance(item, dict):
                output_item = self._item(item.get("type"), item.get("id"), values)
                output_item.tell(item, is_done=kind.endswith("done"))
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

    def _item(self, kind: Any, name: Any, values: Mapping[str, Any]) -> _Item:
        index = values.get("output_index")
        # Some of LiteLLM's bridges give each event another id; others give all items one index.
        key = (index, kind) if kind in (_MESSAGE, _REASONING) else (kind, name or index)
        if (item := self._items.get(key)) is None:
            item = self._items[key] = _Item(kind, name)
        return item

    def response(self) -> Response:
        """Return the last event's response; if the stream ended early, the response so far."""
        outputs = self._ended
        if outputs is None:
            outputs = {**self._begun, "output": [item.merged() for item in self._items.values()]}
        parsed = items.items_response(dict(outputs), self._hidden_params, self._arguments)
        return self._priced(parsed, self._response)


class _Item:
    """One item of the output, which arrives in fragments."""

    def __init__(self, kind: Any, name: Any) -> None:
        self._said: dict[str, Any] = {"type": kind}
        if kind == _MESSAGE:
            self._said["role"] = "assistant"
        if name is not None:
            self._said["id"] = name
        self._is_done = False
        self._texts: dict[tuple[Any, ...], list[str]] = defaultdict(list)

    def tell(self, item: dict[str, Any], *, is_done: bool) -> None:
        """Add the item itself, from the events of its start and its end."""
        self._said.update(item)
        self._is_done = is_done

    def add(self, path: tuple[str, str, str, str], values: Mapping[str, Any]) -> None:
        """Add the next fragment."""
        index = values.get("summary_index" if path[1] == "summary" else "content_index")
        self._texts[(index or 0, *path)].append(values.get("delta") or "")

    def merged(self) -> dict[str, Any]:
        """Return the item so far."""
        item = dict(self._said)
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
