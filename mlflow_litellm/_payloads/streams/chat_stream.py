"""
Merges the chunks of a chat completion stream into one response.

LiteLLM's own ``stream_chunk_builder`` needs the whole list (40 ms for 1,000 chunks), merges
the choices of ``n > 1`` into one up to litellm 1.108, and may use the network.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import cost
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.outputs import chat
from mlflow_litellm._payloads.response_attributes import set_cost
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.merge import fields, merge_provider_fields, merged
from mlflow_litellm._payloads.usage import USAGE_IS_ESTIMATE, is_estimated, latest, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response


_HEAD = ("id", "created", "model", "system_fingerprint")
# Keys without data for the response; "obfuscation" is OpenAI's padding of each chunk.
_NOT_THE_ANSWERS = frozenset({"choices", "object", "obfuscation", "usage"})


class Accumulator:
    """
    Takes each chunk as it arrives, and returns the response so far at any time.

    Keeps the texts, not the chunks: a user's later changes to a chunk do not change the trace. Not
    thread-safe.

    Args:
        arguments: The call's arguments by name, without the messages: the stream may live long.
        stream: The stream; LiteLLM's hidden parameters and ``Logging`` are read from it.
    """

    def __init__(self, arguments: Mapping[str, Any], stream: Any) -> None:
        self._arguments = arguments
        self._stream_hidden = read_hidden_params(stream)
        self._provider = getattr(stream, "custom_llm_provider", None)
        self._logging = getattr(stream, "logging_obj", None)
        # LiteLLM's own list, which grows as LiteLLM reads. The stream itself must not be kept.
        self._read = getattr(stream, "chunks", ())
        self._head: dict[str, Any] = {}
        self._more: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None
        self._first: Any = None
        self._last: Any = None

    @property
    def has_content(self) -> bool:
        """Whether any content other than reasoning has arrived."""
        return any(choice.has_content for choice in self._choices.values())

    @property
    def _has_ended(self) -> bool:
        return any(choice.has_ended for choice in self._choices.values())

    def add(self, chunk: Any) -> None:
        """Add one chunk, a ``ModelResponseStream``."""
        if self._first is None:
            self._first = chunk
        self._last = chunk
        own, extra = chunk.__dict__, chunk.__pydantic_extra__
        for choice in own.get("choices") or ():
            values = choice.__pydantic_extra__ or choice.__dict__
            index = values.get("index") or 0
            if (merged := self._choices.get(index)) is None:
                merged = self._choices[index] = _Choice(values.get("delta"))
            merged.add(values)
        usage = own.get("usage")
        if extra:
            usage = extra.get("usage") or usage
            for key, value in extra.items():
                if value is not None:
                    self._add_more(key, value)
        if usage is not None:
            # Some providers repeat a growing count in each chunk. The last count is the total.
            self._usage = copy.copy(usage)
        if not self._head.get("model"):
            self._head = {key: own[key] for key in _HEAD if own.get(key) is not None}

    def _add_more(self, key: str, value: Any) -> None:
        if key not in _NOT_THE_ANSWERS:
            self._more[key] = value if type(value) is str else to_jsonable(value)

    def response(self) -> Response:
        """Return the response so far, in the shape that it has without streaming."""
        last = read_hidden_params(self._last)
        usage = self._usage or self._usage_unasked(last)
        outputs = self._outputs(usage)
        # For Gemini, the stream has another provider name than the response.
        provider = last.get("custom_llm_provider") or self._provider
        hidden_params = {**self._stream_hidden, "custom_llm_provider": provider}
        parsed = chat.chat_response(outputs, hidden_params, self._arguments)
        # A chunk's own model is the requested one. The first chunk has the provider's name for the
        # model; LiteLLM may have added the last chunk.
        answered = read_hidden_params(self._first).get("provider_response_model")
        if parsed.usage and parsed.cost is None:
            set_cost(parsed, self._cost(parsed, usage, answered))
        if answered:
            parsed.model = parsed.outputs["model"] = answered
        if parsed.usage and is_estimated(self._read):
            parsed.attributes[USAGE_IS_ESTIMATE] = True
        return parsed

    def _usage_unasked(self, last: Mapping[str, Any]) -> Any:
        """
        Return the usage that LiteLLM hides from users who did not request it.

        It is LiteLLM's estimate, or zeros, if no chunk of the provider's has a usage.
        """
        usage = last.get("usage")
        if self._has_ended and not getattr(usage, "prompt_tokens", None):
            # Older versions of LiteLLM have none, or only the last of Anthropic's two usages.
            return self._usage_of_chunks()
        return usage

    def _usage_of_chunks(self) -> Any:
        import litellm

        counts = latest(to_jsonable(getattr(chunk, "usage", None)) for chunk in self._read)
        return litellm.Usage(**counts) if counts else None

    def _cost(self, parsed: Response, usage: Any, answered: str | None) -> dict[str, float] | None:
        import litellm

        priced_by = {key: parsed.outputs.get(key) for key in ("model", "service_tier")}
        values = {key: value for key, value in priced_by.items() if value}
        response = litellm.ModelResponse(usage=usage, **values)
        # The model name that LiteLLM prefers for the price.
        hidden_params = {**self._stream_hidden, "provider_response_model": answered}
        read_hidden_params(response)["provider_response_model"] = answered
        provider = parsed.provider
        return cost.stream_cost(self._logging, hidden_params, self._arguments, provider, response)

    def _outputs(self, usage: Any) -> dict[str, Any]:
        outputs = {
            **to_jsonable(self._more),
            **self._head,
            "object": "chat.completion",
            "choices": [
                {"index": index, **choice.merged()}
                for index, choice in sorted(self._choices.items())
            ],
        }
        counted = to_jsonable(usage)
        return {**outputs, "usage": counted} if tokens(counted) else outputs


_OF_A_CHOICE = frozenset({"delta", "finish_reason", "index", "logprobs"})
_OF_A_TOOL_CALL = frozenset({"custom", "function", "index"})
_CONTENT = frozenset({"content", "refusal", "audio", "images", "function_call"})


class _Choice:
    """
    One choice of the response.

    Args:
        first: The first delta of the choice: it shows whether missing content is "" or None.
    """

    def __init__(self, first: Any) -> None:
        self._empty = "" if getattr(first, "content", None) == "" else None
        self._texts: dict[str, list[str]] = defaultdict(list)
        self._role = "assistant"
        self._parts: dict[str, list[Any]] = defaultdict(list)
        self._tool_calls: list[_ToolCall] = []
        self._latest_calls: dict[int, _ToolCall] = {}
        self._more: dict[str, Any] = {}
        self._finish_reason: Any = None
        self._logprobs: list[Any] = []

    @property
    def has_content(self) -> bool:
        """Whether any content other than reasoning has arrived."""
        keys = self._texts.keys() | self._parts.keys()
        return bool(self._tool_calls or keys & _CONTENT)

    @property
    def has_ended(self) -> bool:
        """Whether the provider has sent a finish reason."""
        return self._finish_reason is not None

    def add(self, values: Mapping[str, Any]) -> None:
        """Add the fields of a ``StreamingChoices``."""
        if (delta := values.get("delta")) is not None:
            # Not model_dump(), which takes as long as everything else.
            for half in (delta.__dict__, delta.__pydantic_extra__ or {}):
                for key, value in half.items():
                    if not value:
                        continue
                    if type(value) is str and key != "role":
                        self._texts[key].append(value)
                    else:
                        self._merge(key, value)
        if values.get("finish_reason") is not None:
            self._finish_reason = values["finish_reason"]
        if values.get("logprobs") is not None:
            self._logprobs.append(to_jsonable(values["logprobs"]))
        if len(values) > len(_OF_A_CHOICE):
            self._more.update(
                (key, values[key]) for key in values.keys() - _OF_A_CHOICE if values[key]
            )

    def _merge(self, key: str, value: Any) -> None:
        if key == "role":
            self._role = value
        elif key == "tool_calls":
            for position, call in enumerate(value):
                self._merge_tool_call(position, fields(call))
        else:
            self._parts[key].append(to_jsonable(value))

    def _merge_tool_call(self, position: int, values: Mapping[str, Any]) -> None:
        index = values.get("index")
        index = position if index is None else index
        call = self._latest_calls.get(index)
        if call is None or call.is_another(values):
            call = self._latest_calls[index] = _ToolCall(index)
            self._tool_calls.append(call)
        call.add(values)

    def merged(self) -> dict[str, Any]:
        """Return the choice so far, in the shape that it has without streaming."""
        empty = None if self.has_content else self._empty
        message: dict[str, Any] = {"role": self._role, "content": empty}
        message.update((key, _merged(key, parts)) for key, parts in self._parts.items())
        message.update((key, to_jsonable("".join(parts))) for key, parts in self._texts.items())
        if self._tool_calls:
            in_order = sorted(self._tool_calls, key=lambda call: call.index)
            message["tool_calls"] = [call.merged() for call in in_order]
        choice = {"finish_reason": self._finish_reason, "message": message}
        if self._logprobs:
            choice["logprobs"] = merged(self._logprobs)
        if self._more:
            # LiteLLM has them here without streaming.
            choice["provider_specific_fields"] = to_jsonable(self._more)
        return choice


def _merged(key: str, parts: list[Any]) -> Any:
    if key == "provider_specific_fields":
        return merge_provider_fields(parts)
    return merged(parts)


class _ToolCall:
    """One tool call of a choice; its arguments, or a custom tool's input, arrive in fragments."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._said: dict[str, Any] = {}
        self._kind, self._text_key = "function", "arguments"
        self._name: str | None = None
        self._text: list[str] = []

    def is_another(self, values: Mapping[str, Any]) -> bool:
        """
        Return whether a fragment starts another call at the same index, as in some backends.

        A new id alone does not start one: some backends give each fragment a new id.
        """
        kind, _ = _kind_of(values)
        names = values.get("id") and fields(values.get(kind)).get("name")
        return bool(names and self._said.get("id") not in (None, values["id"]))

    def add(self, values: Mapping[str, Any]) -> None:
        """Add the next fragment."""
        self._kind, self._text_key = _kind_of(values)
        parsed = {
            key: value for key, value in values.items() if value and key not in _OF_A_TOOL_CALL
        }
        self._said.update(to_jsonable(parsed))
        body = fields(values.get(self._kind))
        self._name = self._name or body.get("name")
        self._text.append(body.get(self._text_key) or "")

    def merged(self) -> dict[str, Any]:
        """Return the call so far, in the shape that it has without streaming."""
        text = to_jsonable("".join(self._text))
        return {**self._said, self._kind: {"name": self._name, self._text_key: text}}


def _kind_of(values: Mapping[str, Any]) -> tuple[str, str]:
    """Return the keys of a fragment's name and text; OpenAI's custom tools take any text."""
    return ("custom", "input") if values.get("custom") is not None else ("function", "arguments")
