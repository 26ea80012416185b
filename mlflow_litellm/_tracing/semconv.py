"""
Complete MLflow's export by OpenTelemetry's GenAI conventions.

If ``MLFLOW_ENABLE_OTEL_GENAI_SEMCONV`` is on, MLflow converts each span at its end. It exports the
model of the response as the requested model, converts few parameters, and reads few of the shapes
that this package records. So MLflow gets a translated copy of the span. The span itself, and the
trace that MLflow stores, stay unchanged.
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow.entities import SpanType
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from mlflow_litellm._common import attributes as names
from mlflow_litellm._tracing import mlflow_compat, semconv_messages
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._common.patching import Patch

PREFIX = "litellm-"

# The operation of each function, by its sync name. MLflow derives it from the span's type: every
# ``LLM`` would be ``generate_content``.
_OPERATIONS = {
    "anthropic_messages": "chat",
    "anthropic_messages_handler": "chat",
    "compact_responses": "chat",
    "completion": "chat",
    # ``anthropic.messages.create`` and ``interactions.create``.
    "create": "chat",
    "generate_content": "generate_content",
    "generate_content_stream": "generate_content",
    "moderation": "moderation",
    "ocr": "ocr",
    "rerank": "rerank",
    "responses": "chat",
    "search": "retrieval",
    "text_completion": "text_completion",
}
# For requests that LiteLLM Proxy passes through. Users configure their paths, so a path may not
# show the operation.
_OPERATIONS_OF_FORMATS = {"anthropic": "chat", "openai": "chat"}
# https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/#gen-ai-provider-name
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_text": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "text-completion-openai": "openai",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "watsonx_text": "ibm.watsonx.ai",
    "xai": "x_ai",
}
# The names of OpenAI, Anthropic and Google for each parameter. If a request has several, the first
# counts.
_PARAMETERS = {
    "choice.count": ("n", "candidate_count", "candidateCount"),
    "frequency_penalty": ("frequency_penalty", "frequencyPenalty"),
    "max_tokens": (
        "max_completion_tokens", "max_tokens", "max_output_tokens", "maxOutputTokens",
    ),
    "presence_penalty": ("presence_penalty", "presencePenalty"),
    "seed": ("seed",),
    "temperature": ("temperature",),
    "top_k": ("top_k", "topK"),
    "top_p": ("top_p", "topP"),
}  # fmt: skip
_FLOATS = frozenset({"frequency_penalty", "presence_penalty", "temperature", "top_p"})
_STOPS = ("stop", "stop_sequences", "stopSequences")
_USAGE = {
    "cache_read.input_tokens": "cache_read_input_tokens",
    "cache_creation.input_tokens": "cache_creation_input_tokens",
}
# Further attributes, which are copied unchanged under their name in the conventions.
_RENAMED = {
    "gen_ai.conversation.id": names.SESSION_ID,
    "gen_ai.embeddings.dimension.count": names.EMBEDDING_DIMENSION,
    "gen_ai.usage.reasoning.output_tokens": names.REASONING_TOKENS,
}
_PORTS = {"http": 80, "https": 443}


def semconv_patches() -> list[Patch]:
    """Return the patch of MLflow's conversion; none if MLflow has no such function."""
    # No public hook can change the name, kind and attributes of an exported span.
    return mlflow_compat.TRANSLATE.patches(_translate)


def _translate(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    if args and _is_call(args[0]):
        with guard("translating a span for the GenAI conventions"):
            args = (_translated(args[0]), *args[1:])
    return wrapped(*args, **kwargs)


def _is_call(span: ReadableSpan) -> bool:
    """Return whether a span is a call of LiteLLM, or a request that the proxy passes through."""
    if span.name.startswith(PREFIX):
        return True
    attributes = span.attributes or {}
    span_type = _decoded(attributes.get(names.SPAN_TYPE))
    return names.HTTP_ROUTE in attributes and span_type == SpanType.LLM


def _translated(span: ReadableSpan) -> ReadableSpan:
    attributes = dict(span.attributes or {})
    fields = {key: _decoded(value) for key, value in attributes.items()}
    name = span.name.removeprefix(PREFIX)
    translated = to_mlflow_attributes(name, fields)
    attributes.update((key, json.dumps(value)) for key, value in translated.items())
    attributes.update(convention_attributes(name, fields))
    attributes.update(_error(span))
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=span.events,
        links=span.links,
        # MLflow keeps the kind of a span whose operation it does not know.
        kind=span.kind if is_composite(fields) else SpanKind.CLIENT,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _decoded(value: object) -> Any:
    # MLflow writes its attributes as JSON; tags of a trace are plain texts.
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _error(span: ReadableSpan) -> dict[str, Any]:
    kinds = [(event.attributes or {}).get("exception.type") for event in span.events]
    return {"error.type": kinds[-1]} if kinds and kinds[-1] else {}


def is_composite(fields: Mapping[str, Any]) -> bool:
    """Return whether a span is of a composite call, which reaches no model itself."""
    return fields.get(names.SPAN_TYPE) in {SpanType.CHAIN, SpanType.AGENT}


def to_mlflow_attributes(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the MLflow attributes that MLflow's converter reads instead of the span's attributes.

    Args:
        name: The name of the called function below ``litellm``.
        fields: The span's attributes as JSON types.
    """
    translated = {
        names.LLM_MODEL: _requested_model(fields),
        names.LLM_PROVIDER: _provider(fields),
        names.INPUTS: semconv_messages.inputs(fields.get(names.INPUTS)),
        names.OUTPUTS: semconv_messages.outputs(fields.get(names.OUTPUTS)),
        names.CHAT_TOOLS: semconv_messages.tools(fields.get(names.CHAT_TOOLS)),
    }
    if not is_composite(fields):
        # MLflow uses a type that it does not know as the operation.
        translated[names.SPAN_TYPE] = _operation(name, fields)
    return {key: value for key, value in translated.items() if value is not None}


def convention_attributes(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the attributes of the conventions that MLflow's converter leaves out.

    Args:
        name: The name of the called function below ``litellm``.
        fields: The span's attributes as JSON types.
    """
    request = semconv_messages.parameters(fields.get(names.INPUTS))
    converted: dict[str, Any] = {
        **{key: fields.get(source) for key, source in _RENAMED.items()},
        **_parameters(request),
        **_response(fields),
        **_server(fields.get(names.API_BASE)),
    }
    converted["gen_ai.output.type"] = _output_type(name, request)
    if _operation(name, fields) == "retrieval":
        converted["gen_ai.retrieval.query.text"] = request.get("query")
    return {key: value for key, value in converted.items() if _is_valid(value)}


def _is_valid(value: object) -> bool:
    """Return whether OpenTelemetry allows a value as an attribute, and it is not empty."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, str) for item in value)
    return isinstance(value, (str, int, float)) and value != ""


def _operation(name: str, fields: Mapping[str, Any]) -> str | None:
    last = name.rpartition(".")[2]
    by_name = _OPERATIONS.get(last) or _OPERATIONS.get(last.removeprefix("a"))
    return by_name or _OPERATIONS_OF_FORMATS.get(str(fields.get(names.MESSAGE_FORMAT)))


def _provider(fields: Mapping[str, Any]) -> str | None:
    provider = fields.get(names.CUSTOM_LLM_PROVIDER) or fields.get(names.LLM_PROVIDER)
    return _PROVIDERS.get(provider, provider) if isinstance(provider, str) else None


def _requested_model(fields: Mapping[str, Any]) -> str | None:
    """Return the model without its provider: the provider has its own attribute."""
    model = fields.get(names.MODEL)
    if not isinstance(model, str):
        return None
    return model.removeprefix(f"{fields.get(names.CUSTOM_LLM_PROVIDER)}/")


def _parameters(request: Mapping[str, Any]) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for key, parameters in _PARAMETERS.items():
        value = next((request[name] for name in parameters if name in request), None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            converted[f"gen_ai.request.{key}"] = float(value) if key in _FLOATS else value
    stops = next((request[name] for name in _STOPS if name in request), None)
    converted["gen_ai.request.stop_sequences"] = [stops] if isinstance(stops, str) else stops
    if isinstance(encoding := request.get("encoding_format"), str):
        converted["gen_ai.request.encoding_formats"] = [encoding]
    return converted


def _response(fields: Mapping[str, Any]) -> dict[str, Any]:
    outputs = fields.get(names.OUTPUTS)
    response = outputs if isinstance(outputs, dict) else {}
    usage = fields.get(names.CHAT_USAGE) or {}
    reasons = [reason for reason in fields.get(names.FINISH_REASONS) or () if reason]
    first = fields.get(names.TIME_TO_FIRST_CHUNK_MS)
    return {
        **{f"gen_ai.usage.{key}": usage.get(source) for key, source in _USAGE.items()},
        "gen_ai.request.stream": True if names.STREAM_CHUNKS in fields else None,
        "gen_ai.response.finish_reasons": reasons,
        "gen_ai.response.id": response.get("id") or response.get("responseId"),
        "gen_ai.response.model": _response_model(fields),
        "gen_ai.response.time_to_first_chunk": first and first / 1000,
    }


def _response_model(fields: Mapping[str, Any]) -> str | None:
    """Return the model of the response; None if the span has only the requested model."""
    model = fields.get(names.LLM_MODEL)
    is_confirmed = bool(fields.get(names.CHAT_USAGE)) and model == _requested_model(fields)
    return model if is_confirmed or model != fields.get(names.MODEL) else None


def _output_type(name: str, request: Mapping[str, Any]) -> str | None:
    last = name.rpartition(".")[2].removeprefix("a")
    if last.startswith("image_"):
        return "image"
    if last == "speech":
        return "speech"
    text = request.get("text")
    output = request.get("response_format") or (text.get("format") if isinstance(text, dict) else 0)
    if not isinstance(output, dict):
        return None
    return "text" if output.get("type") == "text" else "json"


def _server(api_base: object) -> dict[str, Any]:
    if not isinstance(api_base, str):
        return {}
    try:
        parts = urlsplit(api_base)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return {}
    return {"server.address": parts.hostname, "server.port": port}
