"""
Joins the events of a responses stream into the response that came in them.

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
# By the event, the type of its item, where in that the text stands, and the type of that part.
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
    """Takes events; gives the response."""

    def __init__(self, arguments: Mapping[str, Any], stream: Any) -> None:
        super().__init__(arguments, stream)
        self._begun: dict[str, Any] = {"object": "response"}
        self._ended: dict[str, Any] | None = None
        self._response: Any = None
        self._items: dict[tuple[Any, Any], _Item] = {}

    def add(self, event: Any) -> None:
        """Take one event, an object or a dict."""
        said = event if type(event) is dict else vars(event)
        kind = said.get("type")
        # Of an Enum that is a str, the hash is another.
        kind = kind if type(kind) is str else getattr(kind, "value", None)
        if (place := _DELTAS.get(kind)) is not None:  # type: ignore[arg-type]
            # What LiteLLM has no class for stands among the extras.
            said = said if "delta" in said else fields(event)
            self._item(place[0], said.get("item_id"), said).add(place, said)
            self.has_content = self.has_content or place[0] != _REASONING
        elif kind in _ITEMS or kind in _BEGUN or kind in _ENDED or kind == "error":
            self._tell(kind, fields(event))

    def _tell(self, kind: Any, said: Mapping[str, Any]) -> None:
        if kind in _ITEMS:
            item = to_jsonable(said.get("item"))
            if isinstance(item, dict):
                found = self._item(item.get("type"), item.get("id"), said)
                found.tell(item, is_done=kind.endswith("done"))
        elif kind == "error":
            self.error = _error(said)
        else:
            response = to_jsonable(said.get("response"))
            if isinstance(response, dict) and kind in _BEGUN:
                self._begun = {**self._begun, **response}
            elif isinstance(response, dict):
                self._ended, self._response = response, said["response"]
            if kind == "response.failed":
                self.error = _error(response if isinstance(response, dict) else {})

    def _item(self, kind: Any, name: Any, said: Mapping[str, Any]) -> _Item:
        index = said.get("output_index")
        # Some bridges of LiteLLM's give each event another id, others all items one index.
        key = (index, kind) if kind in (_MESSAGE, _REASONING) else (kind, name or index)
        if (item := self._items.get(key)) is None:
            item = self._items[key] = _Item(kind, name)
        return item

    def response(self) -> Response:
        """Return the response that the last event brought, or what of it came before a drop."""
        outputs = self._ended
        if outputs is None:
            outputs = {**self._begun, "output": [item.merged() for item in self._items.values()]}
        parsed = items.items_response(dict(outputs), self._hidden_params, self._arguments)
        return self._priced(parsed, self._response)


class _Item:
    """One item of the output, which comes in fragments."""

    def __init__(self, kind: Any, name: Any) -> None:
        self._said: dict[str, Any] = {"type": kind}
        if kind == _MESSAGE:
            self._said["role"] = "assistant"
        if name is not None:
            self._said["id"] = name
        self._is_done = False
        self._texts: dict[tuple[Any, ...], list[str]] = defaultdict(list)

    def tell(self, item: dict[str, Any], *, is_done: bool) -> None:
        """Take the item itself, as it is told at its begin and its end."""
        self._said.update(item)
        self._is_done = is_done

    def add(self, place: tuple[str, str, str, str], said: Mapping[str, Any]) -> None:
        """Take the next fragment."""
        index = said.get("summary_index" if place[1] == "summary" else "content_index")
        self._texts[(index or 0, *place)].append(said.get("delta") or "")

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


def _error(said: Mapping[str, Any]) -> StreamError:
    """Return what an event or a failed response says went wrong."""
    inner = fields(said.get("error")) or said
    code, message = inner.get("code"), inner.get("message")
    return StreamError(": ".join(str(part) for part in (code, message) if part))
