"""
A kind of call: which of its arguments are recorded, and how its responses and streams are read.

`kinds/table.py` is the table of all kinds. Code here uses no MLflow, and patches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import cost, endpoint, metadata
from mlflow_litellm._payloads.arguments import is_given, recorded
from mlflow_litellm._payloads.base import Request, Response
from mlflow_litellm._payloads.hidden_params import (
    call_attributes,
    failure_attributes,
    is_cache_hit,
    read_hidden_params,
)
from mlflow_litellm._payloads.media import bounded
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._payloads.tools import chat_tools
from mlflow_litellm._payloads.usage import is_estimated, token_details, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# The attributes of LiteLLM's streams that hold the call's ``Logging``.
_LOGGINGS = ("logging_obj", "litellm_logging_obj")


def to_body(response: object) -> Any:
    """Return a response as JSON types, without the private keys that LiteLLM adds to dicts."""
    body = to_jsonable(response)
    if not isinstance(body, dict):
        return body
    return {key: value for key, value in body.items() if not key.startswith("_")}


def usage_of(outputs: Mapping[str, Any]) -> Any:
    """Return the usage in a response of most kinds."""
    return outputs.get("usage")


@dataclass(frozen=True, slots=True)
class Argument:
    """
    How one argument is recorded, if not as most are.

    Attributes:
        read: Returns the argument as JSON types. It is needed if the argument is a file, which
            must not be read, or too large for a copy.
        is_media: Returns whether the JSON types hold pictures, audio or files.
        redact: Returns the JSON types without secrets, and with media as data URIs. If `is_media`
            is set, only media are redacted.
    """

    read: Callable[[Any], Any] | None = None
    is_media: Callable[[Any], object] | None = None
    redact: Callable[[Any], Any] | None = None

    def recorded(self, name: str, value: object) -> tuple[Any, bool]:
        """Return the recorded value of an argument, and whether it holds media."""
        value = recorded(name, value) if self.read is None else self.read(value)
        has_media = self.is_media is not None and bool(self.is_media(value))
        if self.redact is not None and (has_media or self.is_media is None):
            value = self.redact(value)
        return value, has_media


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Kind:
    """
    One kind of call, such as chat completions: the functions that take and return the same data.

    Attributes:
        name: The name of the kind.
        recorded: The names of the arguments that are recorded.
        span_type: MLflow's type of the spans, as ``mlflow.entities.SpanType`` has it.
        arguments: The recorded arguments that are not simply copied.
        message_format: MLflow's name for the format of inputs and outputs, such as ``"openai"``;
            None if the UI has no view for the format.
        has_chat_tools: Whether tools are defined as for a chat completion.
        has_large_data: Whether inputs and outputs may hold base64 or vectors under any name.
        takes_headers: Whether LiteLLM passes headers to the provider, and does nothing else with
            them.
        read_request: Completes a request, if its arguments do not suffice.
        provider: Returns the provider from the arguments, if they name it in another way than most.
        outputs: Returns a response as JSON types.
        usage: Returns the usage in the outputs.
        model_key: The key of the model in the outputs.
        read_response: Completes a response whose outputs are a dict. Its arguments are the
            response, and LiteLLM's object, which is None for a stream.
        is_priced_by_list: Whether LiteLLM gives no cost for some responses, so that its price list
            is used.
        accumulator: The class that merges the chunks of a stream; None if the kind has none.
    """

    name: str
    recorded: frozenset[str]
    span_type: str = "LLM"
    arguments: Mapping[str, Argument] = field(default_factory=lambda: MappingProxyType({}))
    message_format: str | None = None
    has_chat_tools: bool = False
    has_large_data: bool = False
    takes_headers: bool = False
    read_request: Callable[[Request], None] | None = None
    provider: Callable[[Mapping[str, Any]], str | None] | None = None
    outputs: Callable[[Any], Any] = to_body
    usage: Callable[[dict[str, Any]], Any] = usage_of
    model_key: str = "model"
    read_response: Callable[[Response, Any], None] | None = None
    is_priced_by_list: bool = False
    accumulator: Callable[[Kind, Mapping[str, Any], Any], Accumulator] | None = None

    def __repr__(self) -> str:
        return f"Kind({self.name!r})"

    def request(self, arguments: Mapping[str, Any]) -> Request:
        """Return a call's request: the allowed arguments by name, without secrets."""
        inputs, has_media = self._inputs(arguments)
        request = Request(
            inputs,
            inputs.get("model"),
            inputs.get("tools"),
            endpoint.requested_base_url(arguments),
            message_format=self.message_format,
            has_media=has_media,
        )
        if metadata.NAMES & arguments.keys():
            _set_metadata(request, arguments)
        if self.read_request is not None:
            self.read_request(request)
        if not self.has_chat_tools:
            request.tools = chat_tools(request.tools)
        return request

    def _inputs(self, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        inputs: dict[str, Any] = {}
        has_media = False
        for name, value in arguments.items():
            if name not in self.recorded or not is_given(value):
                continue
            if (argument := self.arguments.get(name)) is None:
                inputs[name] = recorded(name, value)
            else:
                inputs[name], is_media = argument.recorded(name, value)
                has_media = has_media or is_media
        return (bounded(inputs) if self.has_large_data else inputs), has_media

    def parse_response(self, response: object, arguments: Mapping[str, Any]) -> Response:
        """
        Return a parsed response; the responses of a batch as one.

        Args:
            response: The result of the call: LiteLLM's object, a dict, or a list of these.
            arguments: The call's arguments by name.
        """
        if isinstance(response, list):
            responses = [self.parse_response(item, arguments) for item in response]
            outputs = [parsed.outputs for parsed in responses]
            return Response(outputs, has_media=any(parsed.has_media for parsed in responses))
        hidden_params = read_hidden_params(response)
        parsed = self.read(self.outputs(response), hidden_params, arguments, response)
        if parsed.cost is None:
            parsed.cost = cost.response_cost(parsed, response, hidden_params, arguments)
        if parsed.cost is None and self.is_priced_by_list:
            parsed.cost = cost.listed_cost(parsed, hidden_params, arguments)
        return parsed

    def read(
        self,
        outputs: object,
        hidden_params: Mapping[str, Any],
        arguments: Mapping[str, Any],
        response: object = None,
    ) -> Response:
        """
        Return a response from its outputs, whole or merged. Its cost is None, or 0 from the cache.

        Args:
            outputs: The response as JSON types; this method changes it.
            hidden_params: LiteLLM's hidden parameters of the response or the stream.
            arguments: The call's arguments by name.
            response: LiteLLM's object, if there was no stream.
        """
        arguments = self._with_provider(arguments)
        outputs = bounded(outputs) if self.has_large_data else outputs
        parsed = Response(outputs, attributes=call_attributes(hidden_params))
        parsed.cache_hit = is_cache_hit(hidden_params)
        parsed.provider = endpoint.provider(hidden_params, arguments)
        parsed.api_base = endpoint.api_base(hidden_params, arguments, parsed.provider)
        if isinstance(outputs, dict):
            usage = self.usage(outputs)
            parsed.usage, parsed.token_details = tokens(usage), token_details(usage)
            parsed.model = outputs.get(self.model_key)
            if self.read_response is not None:
                self.read_response(parsed, response)
        if parsed.cache_hit:
            # Up to 1.106, LiteLLM repeats the first response's price on a cache hit.
            parsed.cost = cost.cost(0.0, None)
        return parsed

    def failure(self, error: BaseException, arguments: Mapping[str, Any]) -> Response:
        """Return the data of a failed call, in addition to its exception."""
        # Not by the model's name: that look-up may sign in, or query a secret manager.
        named = getattr(error, "llm_provider", None)
        provider = str(named) if named else endpoint.named_provider(self._with_provider(arguments))
        return Response(provider=provider, attributes=failure_attributes(error, arguments))

    def accumulate(self, arguments: Mapping[str, Any], stream: object) -> Accumulator | None:
        """
        Return an object that merges the chunks of a stream; None if the kind has no streams.

        Args:
            arguments: The call's arguments by name, without the messages: a stream may live long.
            stream: LiteLLM's stream; its hidden parameters and ``Logging`` are read.
        """
        return self.accumulator and self.accumulator(self, arguments, stream)

    def _with_provider(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.provider is None:
            return arguments
        return {**arguments, "custom_llm_provider": self.provider(arguments)}


def _set_metadata(request: Request, arguments: Mapping[str, Any]) -> None:
    request.metadata = metadata.call_metadata(arguments)
    request.attributes.update(metadata.router_attributes(arguments))
    request.tags = metadata.tags(arguments)
    request.trace_metadata = metadata.trace_metadata(arguments)
    request.session = metadata.session(arguments)
    request.user = metadata.user(arguments)


class Accumulator:
    """
    Merges the chunks of one stream, as they arrive, and returns the response so far at any time.

    Keeps copies, not the chunks: a user's later changes to a chunk do not change the trace. Is not
    thread-safe. Each subclass is for one kind of call.

    Args:
        kind: The kind of call.
        arguments: The call's arguments by name, without the messages: a stream may live long.
        stream: The stream; LiteLLM's hidden parameters and ``Logging`` are read from it. It must
            not be kept.
        inner: The stream that LiteLLM reads for this one, if any.

    Attributes:
        error: The error that the provider reports, if LiteLLM passes it on as a chunk.
    """

    def __init__(
        self, kind: Kind, arguments: Mapping[str, Any], stream: object, inner: object = None
    ) -> None:
        self._kind, self._arguments = kind, arguments
        self._inner_params, self._stream_params = map(read_hidden_params, (inner, stream))
        self._provider = getattr(stream, "custom_llm_provider", None)
        loggings = (getattr(each, name, None) for each in (inner, stream) for name in _LOGGINGS)
        self._logging = next(filter(None, loggings), None)
        # LiteLLM's own list, which grows as LiteLLM reads; empty if it is unknown.
        self._chunks: Sequence[Any] = ()
        self._has_content = False
        self.error: Exception | None = None

    @property
    def has_content(self) -> bool:
        """Whether any content other than reasoning has arrived."""
        return self._has_content

    def add(self, chunk: object) -> None:
        """Add the next chunk, or the next piece of the stream."""
        raise NotImplementedError

    def outputs(self) -> dict[str, Any]:
        """Return the outputs so far, in the shape that they have without streaming."""
        raise NotImplementedError

    def hidden_params(self) -> dict[str, Any]:
        """Return LiteLLM's hidden parameters of the stream."""
        return {
            "custom_llm_provider": self._provider,
            **self._inner_params,
            **self._stream_params,
        }

    def cost(self, parsed: Response, hidden_params: Mapping[str, Any]) -> dict[str, float] | None:
        """Return the cost of the response so far, whose tokens are known."""
        return cost.merged_cost(parsed, self._logging, hidden_params, self._arguments)

    def response(self) -> Response:
        """Return the response so far, in the shape that it has without streaming."""
        outputs = self.outputs()
        hidden_params = self.hidden_params()
        parsed = self._kind.read(outputs, hidden_params, self._arguments)
        if parsed.usage and parsed.cost is None:
            parsed.cost = self.cost(parsed, hidden_params)
        parsed.usage_is_estimate = bool(parsed.usage) and is_estimated(self._chunks)
        return parsed
