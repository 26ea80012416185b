"""
Joins the chunks of a text completion stream into the answer that came in them.

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
    Takes chunks as they come, and gives the answer so far at any time.

    Is not thread-safe.

    Attributes:
        has_content: Whether any text has come.

    Args:
        arguments: The call's arguments by name.
        stream: The stream, for what LiteLLM hangs on it.
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
        """Take one chunk, a ``TextCompletionResponse``."""
        own = fields(chunk)
        for choice in own.get("choices") or ():
            said = fields(choice)
            index = said.get("index") or 0
            if index not in self._choices:
                self._choices[index] = _Choice()
            self._choices[index].add(said)
            self.has_content = self.has_content or bool(said.get("text"))
        if own.get("usage") is not None:
            self._usage = copy.copy(own["usage"])
        if not self._head.get("model"):
            self._head = {key: own[key] for key in _HEAD if own.get(key) is not None}

    def response(self) -> Response:
        """Return the chunks so far as the answer that would have come unstreamed."""
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
        """Return the usage that LiteLLM keeps from users who did not ask for it."""
        return read_hidden_params(self._read[-1]).get("usage") if self._read else None


class _Choice:
    """One choice of the answer, by its index."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._logprobs: list[Any] = []
        self._finish_reason: Any = None

    def add(self, said: Mapping[str, Any]) -> None:
        """Take the fields of a chunk's ``TextChoices``."""
        self._text.append(said.get("text") or "")
        self._reasoning.append(said.get("reasoning_content") or "")
        if said.get("logprobs") is not None:
            self._logprobs.append(to_jsonable(said["logprobs"]))
        self._finish_reason = said.get("finish_reason") or self._finish_reason

    def merged(self) -> dict[str, Any]:
        """Return the choice as it would have come unstreamed."""
        choice = {"text": to_jsonable("".join(self._text)), "finish_reason": self._finish_reason}
        if reasoning := "".join(self._reasoning):
            choice["reasoning_content"] = to_jsonable(reasoning)
        if self._logprobs:
            choice["logprobs"] = merged(self._logprobs)
        return choice
