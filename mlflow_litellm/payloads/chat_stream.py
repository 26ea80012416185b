"""
Joins the chunks of a chat completion stream into the answer that came in them.

LiteLLM's own ``stream_chunk_builder`` runs on the whole list (40 ms for 1,000 chunks), merges
the choices of ``n > 1`` into one up to litellm 1.108, and may reach for the network.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mlflow_litellm.payloads import _litellm as reported
from mlflow_litellm.payloads import chat
from mlflow_litellm.payloads._plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm.payloads import Answer


_HEAD = ("id", "created", "model", "system_fingerprint")
_KEPT = ("model", "custom_llm_provider", "api_base", "base_url")


class Accumulator:
    """
    Takes chunks as they come, and gives the answer so far at any time.

    Texts are kept as they were when they passed: what a user does to a chunk afterwards does not
    reach the trace. Is not thread-safe.

    Args:
        arguments: The call's arguments by name.
        stream: The stream, for what LiteLLM hangs on it.
    """

    def __init__(self, arguments: Mapping[str, Any], stream: Any) -> None:
        # Not the messages: the stream may be kept long.
        self._arguments = {key: arguments.get(key) for key in _KEPT}
        self._hidden = reported.hidden_params(stream)
        self._provider = getattr(stream, "custom_llm_provider", None)
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None
        self._last: Any = None

    def add(self, chunk: Any) -> None:
        """Take one chunk, a ``ModelResponseStream``."""
        self._last = chunk
        own, extra = vars(chunk), chunk.model_extra or {}
        for choice in own.get("choices") or ():
            said = choice.model_extra or vars(choice)
            index = said.get("index") or 0
            if (joined := self._choices.get(index)) is None:
                joined = self._choices[index] = _Choice()
            joined.add(said)
        if (usage := extra.get("usage") or own.get("usage")) is not None:
            # Some providers repeat a growing count in each chunk: the last is the total.
            self._usage = usage
        if not self._head.get("model"):
            self._head = {key: own[key] for key in _HEAD if own.get(key) is not None}

    def answer(self) -> Answer:
        """Return the chunks so far as the answer that would have come unstreamed."""
        usage = self._usage or self._usage_unasked()
        outputs = {
            **self._head,
            "object": "chat.completion",
            "choices": [
                {"index": index, **choice.joined()}
                for index, choice in sorted(self._choices.items())
            ],
        }
        if reported.usage(usage) is not None:
            outputs["usage"] = plain(usage)
        hidden = {**self._hidden, "custom_llm_provider": self._provider}
        return chat.describe(outputs, hidden, self._arguments, usage, streamed=True)

    def _usage_unasked(self) -> Any:
        """Return the usage that LiteLLM keeps from users who did not ask for it; zeros are none."""
        return reported.hidden_params(self._last).get("usage")


class _Choice:
    """One choice of the answer, by its index."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = defaultdict(list)
        self._role = "assistant"
        self._parts: dict[str, list[Any]] = defaultdict(list)
        self._tool_calls: dict[int, _ToolCall] = {}
        self._finish_reason: Any = None
        self._logprobs: dict[str, list[Any]] = defaultdict(list)

    def add(self, said: Mapping[str, Any]) -> None:
        """Take a ``StreamingChoices``' fields."""
        if (delta := said.get("delta")) is not None:
            # Not model_dump(), which takes as long as all the rest.
            for half in (vars(delta), delta.model_extra or {}):
                for key, value in half.items():
                    if value and type(value) is str and key != "role":
                        self._texts[key].append(value)
                    elif value:
                        self._merge(key, value)
        if said.get("finish_reason") is not None:
            self._finish_reason = said["finish_reason"]
        if said.get("logprobs") is not None:
            for key, value in plain(said["logprobs"]).items():
                self._logprobs[key].extend(value or ())

    def _merge(self, key: str, value: Any) -> None:
        if key == "role":
            self._role = value
        elif key == "tool_calls":
            for position, call in enumerate(value):
                self._merge_tool_call(position, reported.fields(call))
        else:
            self._parts[key].append(plain(value))

    def _merge_tool_call(self, position: int, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        index = position if index is None else index
        if (joined := self._tool_calls.get(index)) is None:
            joined = self._tool_calls[index] = _ToolCall()
        function = call.get("function")
        joined.add(call, {} if function is None else reported.fields(function))

    def joined(self) -> dict[str, Any]:
        """Return the choice as it would have come unstreamed."""
        message: dict[str, Any] = {"role": self._role, "content": None}
        message.update((key, _joined(parts)) for key, parts in self._parts.items())
        message.update((key, plain("".join(parts))) for key, parts in self._texts.items())
        if self._tool_calls:
            message["tool_calls"] = [call.joined() for _, call in sorted(self._tool_calls.items())]
        choice = {"finish_reason": self._finish_reason, "message": message}
        return {**choice, "logprobs": self._logprobs} if self._logprobs else choice


class _ToolCall:
    """One tool call of a choice; its arguments come in fragments."""

    def __init__(self) -> None:
        self._said: dict[str, Any] = {}
        self._name: str | None = None
        self._arguments: list[str] = []

    def add(self, call: Mapping[str, Any], function: Mapping[str, Any]) -> None:
        """Take the next fragment."""
        self._said.update((key, call[key]) for key in ("id", "type") if call.get(key))
        self._name = self._name or function.get("name")
        self._arguments.append(function.get("arguments") or "")

    def joined(self) -> dict[str, Any]:
        """Return the call as it would have come unstreamed."""
        arguments = plain("".join(self._arguments))
        return {**self._said, "function": {"name": self._name, "arguments": arguments}}


def _joined(parts: list[Any]) -> Any:
    """Join the parts of one field: texts and lists end to end, dicts key by key, else the last."""
    parts = [part for part in parts if part is not None]
    if not parts:
        return None
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    if all(isinstance(part, list) for part in parts):
        return _thinking_joined([item for part in parts for item in part])
    if all(isinstance(part, dict) for part in parts):
        keys = dict.fromkeys(key for part in parts for key in part)
        return {key: _joined([part.get(key) for part in parts]) for key in keys}
    return parts[-1]


def _thinking_joined(blocks: list[Any]) -> list[Any]:
    """Join the pieces of a thinking block, which ends with the piece that brings a signature."""
    groups: list[list[Any]] = []
    for block in blocks:
        if groups and _goes_on(groups[-1][-1], block):
            groups[-1].append(block)
        else:
            groups.append([block])
    return [_thought(group) if len(group) > 1 else group[0] for group in groups]


def _thought(pieces: list[Any]) -> dict[str, Any]:
    text = "".join(piece.get("thinking") or "" for piece in pieces)
    return {**pieces[-1], "thinking": text}


def _goes_on(before: Any, now: Any) -> bool:
    pair = (before, now)
    is_thinking = all(isinstance(block, dict) and block.get("type") == "thinking" for block in pair)
    return is_thinking and not before.get("signature")
