"""
How Gemini's interactions are read, and how the events of their streams are merged.

LiteLLM keeps Google's format for every provider: https://ai.google.dev/api/interactions-api and
https://ai.google.dev/gemini-api/docs/interactions#streaming
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.base import StreamError
from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.kind import Accumulator, Argument
from mlflow_litellm._payloads.media import redact_data
from mlflow_litellm._payloads.secrets import redact_named_secrets
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response
    from mlflow_litellm._payloads.kind import Kind

# The keys of an event that belong to the interaction itself.
_OWN = frozenset({
    "agent", "created", "id", "model", "object", "outputs", "status", "steps", "updated", "usage",
})  # fmt: skip


_MEDIA = frozenset({"audio", "document", "image", "video"})
# The interactions' counts, with the names of Gemini's other API.
_COUNTS = {
    "total_input_tokens": "promptTokenCount",
    "total_output_tokens": "candidatesTokenCount",
    "total_cached_tokens": "cachedContentTokenCount",
    "total_reasoning_tokens": "thoughtsTokenCount",
    "total_thought_tokens": "thoughtsTokenCount",
    "total_tokens": "totalTokenCount",
}


def _hold_media(items: object) -> bool:
    """Return whether steps, turns or contents hold anything other than text."""
    return any(
        item.get("type") in _MEDIA or _hold_media(item.get("content"))
        for item in dicts([items] if isinstance(items, dict) else items)
    )


ARGUMENTS = {
    "input": Argument(is_media=_hold_media, redact=redact_data),
    # The resources that an agent may use, and their credentials.
    "environment": Argument(redact=redact_named_secrets),
}


def usage_of(outputs: dict[str, Any]) -> dict[str, Any]:
    """Return the usage of an interaction, with the names of Gemini's other API."""
    usage = outputs.get("usage") or {}
    counts = {name: usage[key] for key, name in _COUNTS.items() if key in usage}
    # Tokens that a tool adds to the prompt are counted separately, and billed with the prompt.
    if tools := usage.get("total_tool_use_tokens"):
        counts["promptTokenCount"] = counts.get("promptTokenCount", 0) + tools
    return counts


def read_response(parsed: Response, _: object) -> None:
    """Record the status as finish reason, and turn media into data URIs."""
    outputs = parsed.outputs
    if status := outputs.get("status"):
        parsed.finish_reasons = [status]
    for name in ("steps", "outputs"):
        if _hold_media(outputs.get(name)):
            parsed.has_media = True
            outputs[name] = redact_data(outputs[name])


class InteractionAccumulator(Accumulator):
    """Merges events into the interaction."""

    def __init__(self, kind: Kind, arguments: Mapping[str, Any], stream: object) -> None:
        super().__init__(kind, arguments, stream)
        self._fields: dict[str, Any] = {}
        self._steps: dict[int, _Step] = {}

    def add(self, event: object) -> None:
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
                self._fields.update((key, source[key]) for key in _OWN & source.keys())

    def _add_to_step(self, values: dict[str, Any]) -> None:
        index = values.get("index") or 0
        if (step := self._steps.get(index)) is None:
            step = self._steps[index] = _Step()
        step.start(values.get("step") or {})
        if delta := values.get("delta"):
            step.add(delta)
            self._has_content = self._has_content or not str(delta.get("type")).startswith(
                "thought"
            )

    def outputs(self) -> dict[str, Any]:
        """Return the interaction so far, in the shape that it has without streaming."""
        steps = [step.merged() for _, step in sorted(self._steps.items())]
        return {"steps": steps, **self._fields}


class _Step:
    """One step, which arrives in fragments: of text, of a call's arguments, of a summary."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._arguments: list[str] = []
        self._parts: list[tuple[dict[str, Any], list[str]]] = []

    def start(self, step: dict[str, Any]) -> None:
        """Add the step itself, from the event of its start."""
        self._fields.update((key, value) for key, value in step.items() if value not in ({}, []))

    def add(self, delta: dict[str, Any]) -> None:
        """Add the next fragment."""
        if delta.get("type") == "arguments_delta":
            self._arguments.append(str(delta.get("arguments") or ""))
        elif delta.get("type") == "thought_signature":
            self._fields["signature"] = delta.get("signature")
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
        step = {**self._fields, **({"content": parts} if parts else {})}
        return {**step, "arguments": "".join(self._arguments)} if self._arguments else step
