"""
How calls in Gemini's format are read, and how the responses of their streams are merged.

LiteLLM keeps Google's format for every provider: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.arguments import redact_definitions
from mlflow_litellm._payloads.base import StreamError
from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.kind import Argument
from mlflow_litellm._payloads.media import redact_data
from mlflow_litellm._payloads.secrets import redact_named_secrets
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.sse import EventAccumulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response
    from mlflow_litellm._payloads.kind import Kind


# The keys of schemas in a configuration: a schema's fields are no secrets, under any name. Tools
# in a configuration are redacted like the call's own tools.
_SCHEMAS = frozenset({
    "responseJsonSchema", "responseSchema", "response_json_schema", "response_schema",
})  # fmt: skip
_CONFIGS = ("config", "generationConfig")
_MEDIA = frozenset({"fileData", "file_data", "inlineData", "inline_data"})


def _hold_media(contents: object) -> bool:
    """Return whether contents, parts or candidates hold anything other than text."""
    return any(
        _MEDIA & item.keys() or _hold_media(item.get("parts")) or _hold_media(item.get("content"))
        for item in dicts([contents] if isinstance(contents, dict) else contents)
    )


def _redact_config(config: object) -> Any:
    if not isinstance(config, dict):
        return config
    schemas = {key: config[key] for key in _SCHEMAS & config.keys()}
    tools = redact_definitions(config["tools"]) if "tools" in config else None
    return {**redact_named_secrets(config), **schemas, **({"tools": tools} if tools else {})}


ARGUMENTS = {
    "contents": Argument(is_media=_hold_media, redact=redact_data),
    **dict.fromkeys(_CONFIGS, Argument(redact=_redact_config)),
}


def read_request(request: Request) -> None:
    """Find the tools, which may be in the configuration."""
    for name in _CONFIGS:
        if isinstance(config := request.inputs.get(name), dict):
            request.tools = request.tools or config.get("tools")


def usage_of(outputs: dict[str, Any]) -> Any:
    """Return the usage of a response."""
    return outputs.get("usageMetadata")


def read_response(parsed: Response, _: object) -> None:
    """Record the finish reasons, and turn media into data URIs."""
    candidates = parsed.outputs.get("candidates")
    parsed.finish_reasons = [candidate.get("finishReason") for candidate in dicts(candidates)]
    if _hold_media(candidates):
        parsed.has_media = True
        parsed.outputs["candidates"] = redact_data(candidates)


class ContentAccumulator(EventAccumulator):
    """Merges bytes, dicts or objects into the response."""

    def __init__(self, kind: Kind, arguments: Mapping[str, Any], stream: object) -> None:
        super().__init__(kind, arguments, stream)
        self._fields: dict[str, Any] = {}
        self._candidates: dict[int, _Candidate] = {}

    def _add_event(self, event: dict[str, Any]) -> None:
        for values in dicts(event.pop("candidates", None)):
            index = values.pop("index", None) or 0
            if (candidate := self._candidates.get(index)) is None:
                candidate = self._candidates[index] = _Candidate()
            candidate.add(values)
            self._has_content = self._has_content or candidate.has_content
        if error := event.pop("error", None):
            parsed = error if isinstance(error, dict) else {"message": error}
            self.error = StreamError(f"{parsed.get('status')}: {parsed.get('message')}")
        self._fields.update((key, value) for key, value in event.items() if value is not None)

    def _merged(self) -> dict[str, Any]:
        in_order = sorted(self._candidates.items())
        candidates = [{**candidate.merged(), "index": index} for index, candidate in in_order]
        return {"candidates": candidates, **to_jsonable(self._fields)}


class _Candidate:
    """One candidate of the response."""

    def __init__(self) -> None:
        self.has_content = False
        self._role = "model"
        self._fields: dict[str, Any] = {}
        self._parts: list[tuple[dict[str, Any], list[str]]] = []

    def add(self, values: dict[str, Any]) -> None:
        """Add the next piece."""
        content = values.pop("content", None) or {}
        self._role = content.get("role") or self._role
        for part in dicts(content.get("parts")):
            self._add_part(part)
        self._fields.update((key, value) for key, value in values.items() if value is not None)

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
        return {"content": {"parts": parts, "role": self._role}, **to_jsonable(self._fields)}
