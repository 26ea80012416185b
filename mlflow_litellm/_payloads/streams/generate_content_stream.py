"""
Merges the responses of a Gemini stream into one response, in the shape without streaming.

https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.base import StreamError
from mlflow_litellm._payloads.media import dicts
from mlflow_litellm._payloads.outputs import contents
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.base import Streamed
from mlflow_litellm._payloads.streams.sse import Events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response


class Accumulator(Streamed):
    """Merges bytes, dicts or objects into the response."""

    def __init__(self, arguments: Mapping[str, Any], stream: Any) -> None:
        super().__init__(arguments, stream)
        self._events = Events()
        self._said: dict[str, Any] = {}
        self._candidates: dict[int, _Candidate] = {}

    def add(self, piece: Any) -> None:
        """Add the next piece of the stream, which may hold several events, or part of one."""
        for event in self._events.read(piece):
            self._tell(event)

    def _tell(self, event: dict[str, Any]) -> None:
        for values in dicts(event.pop("candidates", None)):
            index = values.pop("index", None) or 0
            if (candidate := self._candidates.get(index)) is None:
                candidate = self._candidates[index] = _Candidate()
            candidate.add(values)
            self.has_content = self.has_content or candidate.has_content
        if error := event.pop("error", None):
            parsed = error if isinstance(error, dict) else {"message": error}
            self.error = StreamError(f"{parsed.get('status')}: {parsed.get('message')}")
        self._said.update((key, value) for key, value in event.items() if value is not None)

    def response(self) -> Response:
        """Return the response so far, in the shape that it has without streaming."""
        for event in self._events.rest():
            self._tell(event)
        in_order = sorted(self._candidates.items())
        candidates = [{**candidate.merged(), "index": index} for index, candidate in in_order]
        outputs = {"candidates": candidates, **to_jsonable(self._said)}
        parsed = contents.contents_response(outputs, self._hidden_params, self._arguments)
        return self._priced(parsed)


class _Candidate:
    """One candidate of the response."""

    def __init__(self) -> None:
        self.has_content = False
        self._role = "model"
        self._said: dict[str, Any] = {}
        self._parts: list[tuple[dict[str, Any], list[str]]] = []

    def add(self, values: dict[str, Any]) -> None:
        """Add the next piece."""
        content = values.pop("content", None) or {}
        self._role = content.get("role") or self._role
        for part in dicts(content.get("parts")):
            self._add_part(part)
        self._said.update((key, value) for key, value in values.items() if value is not None)

    def _add_part(self, part: dict[str, Any]) -> None:
        text = part.pop("text", None)
        if text is None:
            self._parts.append((part, []))
        elif self._goes_on(part):
            before, pieces = self._parts[-1]
            before.update(part)
            pieces.append(text)
        else:
            self._parts.append((part, [text]))
        self.has_content = self.has_content or not part.get("thought")

    def _goes_on(self, part: Mapping[str, Any]) -> bool:
        if not self._parts or not self._parts[-1][1]:
            return False
        return bool(self._parts[-1][0].get("thought")) == bool(part.get("thought"))

    def merged(self) -> dict[str, Any]:
        """Return the candidate so far, in the shape that it has without streaming."""
        parts = [
            {"text": to_jsonable("".join(pieces)), **to_jsonable(part)}
            if pieces
            else to_jsonable(part)
            for part, pieces in self._parts
        ]
        return {"content": {"parts": parts, "role": self._role}, **to_jsonable(self._said)}
