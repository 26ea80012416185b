"""
How text completions are read, and how the chunks of their streams are merged.

LiteLLM keeps OpenAI's format for every provider:
https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.kind import Accumulator
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.merge import fields, merged
from mlflow_litellm._payloads.usage import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response
    from mlflow_litellm._payloads.kind import Kind

_HEAD = ("id", "object", "created", "model", "system_fingerprint")


def read_request(request: Request) -> None:
    """Find the model, which may have OpenAI's former name for it."""
    if request.model is None:
        request.model = request.inputs.get("engine")


def read_response(parsed: Response, _: object) -> None:
    """Record the finish reason of each choice."""
    choices = dicts(parsed.outputs.get("choices"))
    parsed.finish_reasons = [choice.get("finish_reason") for choice in choices]


class TextAccumulator(Accumulator):
    """Merges ``TextCompletionResponse`` objects into one."""

    def __init__(self, kind: Kind, arguments: Mapping[str, Any], stream: object) -> None:
        # The chat completion stream that LiteLLM reads, or a generator over it.
        inner = getattr(stream, "completion_stream", None)
        super().__init__(kind, arguments, stream, inner)
        self._chunks = getattr(inner, "chunks", ())
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None

    def add(self, chunk: object) -> None:
        """Add one chunk, a ``TextCompletionResponse``."""
        own = fields(chunk)
        for choice in own.get("choices") or ():
            values = fields(choice)
            index = values.get("index") or 0
            if index not in self._choices:
                self._choices[index] = _Choice()
            self._choices[index].add(values)
            self._has_content = self._has_content or bool(values.get("text"))
        if own.get("usage") is not None:
            self._usage = copy.copy(own["usage"])
        if not self._head.get("model"):
            self._head = {key: own[key] for key in _HEAD if own.get(key) is not None}

    def outputs(self) -> dict[str, Any]:
        """Return the response so far, in the shape that it has without streaming."""
        usage = to_jsonable(self._usage or self._usage_unasked())
        in_order = sorted(self._choices.items())
        choices = [{"index": index, **choice.merged()} for index, choice in in_order]
        outputs = {"object": "text_completion", **to_jsonable(self._head), "choices": choices}
        return {**outputs, "usage": usage} if tokens(usage) else outputs

    def _usage_unasked(self) -> Any:
        """Return the usage that LiteLLM hides from users who did not request it."""
        return read_hidden_params(self._chunks[-1]).get("usage") if self._chunks else None


class _Choice:
    """One choice of the response."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._logprobs: list[Any] = []
        self._finish_reason: Any = None

    def add(self, values: Mapping[str, Any]) -> None:
        """Add the fields of a chunk's ``TextChoices``."""
        self._text.append(values.get("text") or "")
        self._reasoning.append(values.get("reasoning_content") or "")
        if values.get("logprobs") is not None:
            self._logprobs.append(to_jsonable(values["logprobs"]))
        self._finish_reason = values.get("finish_reason") or self._finish_reason

    def merged(self) -> dict[str, Any]:
        """Return the choice so far, in the shape that it has without streaming."""
        choice = {"text": to_jsonable("".join(self._text)), "finish_reason": self._finish_reason}
        if reasoning := "".join(self._reasoning):
            choice["reasoning_content"] = to_jsonable(reasoning)
        if self._logprobs:
            choice["logprobs"] = merged(self._logprobs)
        return choice
