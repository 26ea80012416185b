"""
Merges the events of an interaction into one, in the shape without streaming.

https://ai.google.dev/gemini-api/docs/interactions#streaming
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.base import StreamError
from mlflow_litellm._payloads.outputs import steps as steps_module
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.base import Streamed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

# The keys of an event that belong to the interaction itself.
_OWN = frozenset({
    "agent", "created", "id", "model", "object", "outputs", "status", "steps", "updated", "usage",
})  # fmt: skip


class Accumulator(Streamed):
    """Merges events into the interaction."""

    def __init__(self, arguments: Mapping[str, Any], stream: Any) -> None:
        super().__init__(arguments, stream)
        self._said: dict[str, Any] = {}
        self._steps: dict[int, _Step] = {}

    def add(self, event: Any) -> None:
        """Add the next event."""
        values = to_jsonable(event)
        if not isinstance(values, dict):
            return
        kind = str(values.get("event_type"))
        if kind.startswith("step."):
            self._add_to_step(values)
        elif kind == "error":
            parsed = values.get("error") or {}
            self.error = StreamError(f"{parsed.get('code')}: {parsed.get('message')}")
        else:
            for source in (values, values.get("interaction") or {}):
                self._said.update((key, source[key]) for key in _OWN & source.keys())

    def _add_to_step(self, values: dict[str, Any]) -> None:
        index = values.get("index") or 0
        if (step := self._steps.get(index)) is None:
            step = self._steps[index] = _Step()
        step.tell(values.get("step") or {})
        if delta := values.get("delta"):
            step.add(delta)
            self.has_content = self.has_content or not str(delta.get("type")).startswith("thought")

    def response(self) -> Response:
        """Return the interaction so far, in the shape that it has without streaming."""
        steps = [step.merged() for _, step in sorted(self._steps.items())]
        outputs = {"steps": steps, **self._said}
        parsed = steps_module.steps_response(outputs, self._hidden_params, self._arguments)
        return self._priced(parsed)


class _Step:
    """One step, which arrives in fragments: of text, of a call's arguments, of a summary."""

    def __init__(self) -> None:
        self._said: dict[str, Any] = {}
        self._arguments: list[str] = []
        self._parts: list[tuple[dict[str, Any], list[str]]] = []

    def tell(self, step: dict[str, Any]) -> None:
        """Add the step itself, from the event of its start."""
        self._said.update((key, value) for key, value in step.items() if value not in ({}, []))

    def add(self, delta: dict[str, Any]) -> None:
        """Add the next fragment."""
        if delta.get("type") == "arguments_delta":
            self._arguments.append(str(delta.get("arguments") or ""))
        elif delta.get("type") == "thought_signature":
            self._said["signature"] = delta.get("signature")
        elif delta.get("type") != "text":
            self._parts.append((delta, []))
        elif self._parts and self._parts[-1][1]:
            self._parts[-1][1].append(str(delta.get("text") or ""))
        else:
            self._parts.append((delta, [str(delta.get("text") or "")]))

    def merged(self) -> dict[str, Any]:
        """Return the step so far."""
        parts = [
            {**part, "text": "".join(pieces)} if pieces else part for part, pieces in self._parts
        ]
        step = {**self._said, **({"content": parts} if parts else {})}
        return {**step, "arguments": "".join(self._arguments)} if self._arguments else step
