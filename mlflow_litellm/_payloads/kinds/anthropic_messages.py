"""
How messages in Anthropic's format are read, and how the events of their streams are merged.

LiteLLM keeps Anthropic's format for every provider:
https://docs.anthropic.com/en/api/messages and
https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common.interruptions import let_through
from mlflow_litellm._payloads.base import StreamError
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.sse import EventAccumulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response
    from mlflow_litellm._payloads.kind import Kind

_THINKING = frozenset({"redacted_thinking", "thinking"})


def read_response(parsed: Response, _: object) -> None:
    """Record the finish reason of a message."""
    parsed.finish_reasons = [parsed.outputs.get("stop_reason")]


class MessageAccumulator(EventAccumulator):
    """Merges bytes, texts or dicts into the message."""

    def __init__(self, kind: Kind, arguments: Mapping[str, Any], stream: object) -> None:
        super().__init__(kind, arguments, stream)
        self._message: dict[str, Any] = {"type": "message", "role": "assistant"}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[Any, _Block] = {}

    def _add_event(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "content_block_delta":
            self._block(event).add(event.get("delta") or {})
        elif kind == "content_block_start":
            self._blocks[event.get("index")] = block = _Block(event.get("content_block") or {})
            self._has_content = self._has_content or block.kind not in _THINKING
        elif kind == "message_start":
            self._update(event.get("message") or {})
        elif kind == "message_delta":
            own = {key: event[key] for key in event.keys() - {"delta", "type", "usage"}}
            self._update({**own, **(event.get("delta") or {}), "usage": event.get("usage")})
        elif kind == "error":
            error = event.get("error") or {}
            self.error = StreamError(f"{error.get('type')}: {error.get('message')}")

    def _block(self, event: Mapping[str, Any]) -> _Block:
        index = event.get("index")
        if (block := self._blocks.get(index)) is None:
            kind = str((event.get("delta") or {}).get("type")).removesuffix("_delta")
            block = self._blocks[index] = _Block({"type": kind})
            self._has_content = self._has_content or kind not in _THINKING
        return block

    def _update(self, values: dict[str, Any]) -> None:
        counts = (values.pop("usage", None) or {}).items()
        # Each event has the totals so far; some events have only a part of the counts.
        self._usage.update((key, count) for key, count in counts if count is not None)
        self._message.update(values)

    def _merged(self) -> dict[str, Any]:
        in_order = sorted(self._blocks.items(), key=lambda item: (item[0] is None, item[0]))
        content = [block.merged() for _, block in in_order]
        outputs = {**to_jsonable(self._message), "content": content}
        return {**outputs, "usage": to_jsonable(self._usage)} if self._usage else outputs


class _Block:
    """One block of the content, which arrives in fragments."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.kind = start.get("type")
        self._start = start
        self._texts: dict[str, list[str]] = defaultdict(list)
        self._citations: list[Any] = []

    def add(self, delta: Mapping[str, Any]) -> None:
        """Add the next fragment."""
        for key, value in delta.items():
            if key == "type":
                continue
            if type(value) is str:
                self._texts[key].append(value)
            elif key == "citation":
                self._citations.append(value)
            else:
                self._start[key] = value

    def merged(self) -> dict[str, Any]:
        """Return the block so far, in the shape that it has without streaming."""
        block: dict[str, Any] = to_jsonable(self._start)
        for key, pieces in self._texts.items():
            text = to_jsonable("".join(pieces))
            if key == "partial_json":
                block["input"] = _parsed(text) if text else block.get("input")
            else:
                block[key] = (block.get(key) or "") + text
        if self._citations:
            block["citations"] = [*(block.get("citations") or []), *to_jsonable(self._citations)]
        return block


def _parsed(text: str) -> Any:
    """Return a tool's parsed input; the text itself if the stream ended within it."""
    try:
        return json.loads(text)
    # RecursionError: the JSON nests too deep.
    except (ValueError, RecursionError) as error:
        let_through(error)
        return text
