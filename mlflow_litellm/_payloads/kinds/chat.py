"""
How chat completions are read, and how the chunks of their streams are merged.

LiteLLM keeps OpenAI's format for every provider:
https://platform.openai.com/docs/api-reference/chat

LiteLLM's own ``stream_chunk_builder`` needs the whole list (40 ms for 1,000 chunks), merges
the choices of ``n > 1`` into one up to litellm 1.108, and may use the network.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import cost
from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.kind import Accumulator, Argument
from mlflow_litellm._payloads.media import has_media, redact_media, redact_media_in_text
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.streams.merge import fields, merge_provider_fields, merged
from mlflow_litellm._payloads.usage import latest, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response
    from mlflow_litellm._payloads.kind import Kind

_HEAD = ("id", "created", "model", "system_fingerprint")
# Keys without data for the response; "obfuscation" is OpenAI's padding of each chunk.
_NOT_OUTPUTS = frozenset({"choices", "object", "obfuscation", "usage"})


MESSAGES = Argument(is_media=has_media, redact=redact_media)


def read_response(parsed: Response, _: object) -> None:
    """Change the outputs to OpenAI's schema, and record the finish reasons."""
    choices = dicts(parsed.outputs.get("choices"))
    messages = [choice.setdefault("message", {}) for choice in choices]
    for message in messages:
        if isinstance(content := message.setdefault("content", None), str):
            message["content"] = redact_media_in_text(content)
        for call in dicts(message.get("tool_calls")):
            # LiteLLM adds it for some providers; OpenAI has it only in chunks.
            call.pop("index", None)
    for item in (parsed.outputs, *choices, *messages):
        _drop_empty(item, "provider_specific_fields")
    parsed.finish_reasons = [choice.get("finish_reason") for choice in choices]
    parsed.has_media = has_media(messages)


def _drop_empty(item: dict[str, Any], name: str) -> None:
    """Drop an inner dict, if all its values are None: LiteLLM fills it in."""
    inner = item.pop(name, None)
    if isinstance(inner, dict):
        inner = {key: value for key, value in inner.items() if value is not None}
    if inner:
        item[name] = inner


class ChatAccumulator(Accumulator):
    """Merges ``ModelResponseStream`` objects into a chat completion."""

    def __init__(self, kind: Kind, arguments: Mapping[str, Any], stream: object) -> None:
        super().__init__(kind, arguments, stream)
        self._chunks = getattr(stream, "chunks", ())
        self._head: dict[str, Any] = {}
        self._more: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None
        self._billed: Any = None
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

    def _add_more(self, key: str, value: object) -> None:
        if key not in _NOT_OUTPUTS:
            self._more[key] = value if type(value) is str else to_jsonable(value)

    def outputs(self) -> dict[str, Any]:
        """Return the response so far, in the shape that it has without streaming."""
        self._billed = self._usage or self._usage_unasked()
        choices = sorted(self._choices.items())
        outputs = {
            **to_jsonable(self._more),
            **self._head,
            "object": "chat.completion",
            "choices": [{"index": index, **choice.merged()} for index, choice in choices],
        }
        if self._answering_model:
            outputs["model"] = self._answering_model
        usage = to_jsonable(self._billed)
        return {**outputs, "usage": usage} if tokens(usage) else outputs

    def hidden_params(self) -> dict[str, Any]:
        """Return LiteLLM's hidden parameters of the stream."""
        # For Gemini, the stream has another provider name than the response.
        provider = read_hidden_params(self._last).get("custom_llm_provider") or self._provider
        return {
            **self._stream_params,
            "custom_llm_provider": provider,
            # The model name that LiteLLM prefers for the price.
            "provider_response_model": self._answering_model,
        }

    @property
    def _answering_model(self) -> Any:
        """The provider's name for the model. A chunk's own model is the requested one."""
        # LiteLLM may have added the last chunk.
        return read_hidden_params(self._first).get("provider_response_model")

    def _usage_unasked(self) -> Any:
        """
        Return the usage that LiteLLM hides from users who did not request it.

        It is LiteLLM's estimate, or zeros, if no chunk of the provider's has a usage.
        """
        usage = read_hidden_params(self._last).get("usage")
        if self._has_ended and not getattr(usage, "prompt_tokens", None):
            # Older versions of LiteLLM have none, or only the last of Anthropic's two usages.
            return self._usage_of_chunks()
        return usage

    def _usage_of_chunks(self) -> Any:
        import litellm

        counts = latest(to_jsonable(getattr(chunk, "usage", None)) for chunk in self._chunks)
        return litellm.Usage(**counts) if counts else None

    def cost(self, parsed: Response, hidden_params: Mapping[str, Any]) -> dict[str, float] | None:
        """Return the cost of the response so far, whose tokens are known."""
        import litellm

        priced_by = {**self._more, **self._head}
        values = {key: priced_by.get(key) for key in ("model", "service_tier")}
        fields = {key: value for key, value in values.items() if value}
        response = litellm.ModelResponse(usage=self._billed, **fields)
        read_hidden_params(response)["provider_response_model"] = self._answering_model
        return cost.stream_cost(
            self._logging, hidden_params, self._arguments, parsed.provider, response
        )


_OF_A_CHOICE = frozenset({"delta", "finish_reason", "index", "logprobs"})
_OF_A_TOOL_CALL = frozenset({"custom", "function", "index"})
_CONTENT = frozenset({"content", "refusal", "audio", "images", "function_call"})


class _Choice:
    """
    One choice of the response.

    Args:
        first: The first delta of the choice: it shows whether missing content is "" or None.
    """

    def __init__(self, first: object) -> None:
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
        self._fields: dict[str, Any] = {}
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
        return bool(names and self._fields.get("id") not in (None, values["id"]))

    def add(self, values: Mapping[str, Any]) -> None:
        """Add the next fragment."""
        self._kind, self._text_key = _kind_of(values)
        parsed = {
            key: value for key, value in values.items() if value and key not in _OF_A_TOOL_CALL
        }
        self._fields.update(to_jsonable(parsed))
        body = fields(values.get(self._kind))
        self._name = self._name or body.get("name")
        self._text.append(body.get(self._text_key) or "")

    def merged(self) -> dict[str, Any]:
        """Return the call so far, in the shape that it has without streaming."""
        text = to_jsonable("".join(self._text))
        return {**self._fields, self._kind: {"name": self._name, self._text_key: text}}


def _kind_of(values: Mapping[str, Any]) -> tuple[str, str]:
    """Return the keys of a fragment's name and text; OpenAI's custom tools take any text."""
    return ("custom", "input") if values.get("custom") is not None else ("function", "arguments")
