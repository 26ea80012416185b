"""
Merges the chunks of a text completion stream into one response.

https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.outputs import texts
from mlflow_litellm._payloads.response_attributes import set_stream_cost
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.merge import fields, merged
from mlflow_litellm._payloads.usage import USAGE_IS_ESTIMATE, is_estimated, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

_HEAD = ("id", "object", "created", "model", "system_fingerprint")


class Accumulator:
    """
    Takes each chunk as it arrives, and returns the response so far at any time.

    Not thread-safe.

    Attributes:
        has_content: Whether any text has arrived.

    Args:
        arguments: The call's arguments by name.
        stream: The stream; LiteLLM's hidden parameters and ``Logging`` are read from it.
    """

    def __init__(self, arguments: Mapping[str, Any], stream: Any) -> None:
        self._arguments = arguments
        # The chat completion stream that LiteLLM reads, or a generator over it.
        inner = getattr(stream, "completion_stream", None)
        self._hidden_params = {**read_hidden_params(inner), **read_hidden_params(stream)}
        self._hidden_params.setdefault(
            "custom_llm_provider", getattr(stream, "custom_llm_provider", None)
        )
        self._logging = getattr(inner, "logging_obj", None)
        self._read: Any = getattr(inner, "chunks", ())
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None
        self.has_content = False

    def add(self, chunk: Any) -> None:
        """Add one chunk, a ``TextCompletionResponse``."""
        own = fields(chunk)
        for choice in own.get("choices") or ():
            values = fields(choice)
            index = values.get("index") or 0
            if index not in self._choices:
                self._choices[index] = _Choice()
            self._choices[index].add(values)
            self.has_content = self.has_content or bool(values.get("text"))
        if own.get("usage") is not None:
            self._usage = copy.copy(own["usage"])
        if not self._head.get("model"):
            self._head = {key: own[key] for key in _HEAD if own.get(key) is not None}

    def response(self) -> Response:
        """Return the response so far, in the shape that it has without streaming."""
        usage = to_jsonable(self._usage or self._usage_unasked())
        in_order = sorted(self._choices.items())
        choices = [{"index": index, **choice.merged()} for index, choice in in_order]
        outputs = {"object": "text_completion", **to_jsonable(self._head), "choices": choices}
        if tokens(usage):
            outputs["usage"] = usage
        parsed = texts.text_response(outputs, self._hidden_params, self._arguments)
        set_stream_cost(parsed, self._logging, self._hidden_params, self._arguments)
        if parsed.usage and is_estimated(self._read):
            parsed.attributes[USAGE_IS_ESTIMATE] = True
        return parsed

    def _usage_unasked(self) -> Any:
        """Return the usage that LiteLLM hides from users who did not request it."""
        return read_hidden_params(self._read[-1]).get("usage") if self._read else None


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
