"""
The lower bound: LiteLLM's calls in spans made by hand with MLflow's public API.

A user of MLflow would write this to record the same data as this package: request, response,
tokens, cost, model, provider, and the text of a stream.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
from mlflow.entities import SpanType
from mlflow.tracing.constant import SpanAttributeKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# Settings of a call, which are not part of the model's input.
NOT_ASKED = frozenset({"caching", "max_retries", "mock_response"})


def completion(**arguments: Any) -> Any:
    """Make a call within a span; for a stream, return its chunks, which end the span."""
    if arguments.get("stream"):
        span, began = _begin("litellm-completion", arguments), time.perf_counter()
        return _read(litellm.completion(**arguments), span, began)
    with mlflow.start_span("litellm-completion", span_type=SpanType.LLM) as span:
        began = time.perf_counter()
        _record_request(span, arguments)
        response = litellm.completion(**arguments)
        _record_answer(span, response, began)
        return response


async def acompletion(**arguments: Any) -> Any:
    """Do the same for an async call."""
    if arguments.get("stream"):
        span, began = _begin("litellm-acompletion", arguments), time.perf_counter()
        return _aread(await litellm.acompletion(**arguments), span, began)
    with mlflow.start_span("litellm-acompletion", span_type=SpanType.LLM) as span:
        began = time.perf_counter()
        _record_request(span, arguments)
        response = await litellm.acompletion(**arguments)
        _record_answer(span, response, began)
        return response


def _begin(name: str, arguments: dict[str, Any]) -> Any:
    # A stream outlives the function that opens it, so no context manager can end its span.
    span = mlflow.start_span_no_context(name, span_type=SpanType.LLM)
    _record_request(span, arguments)
    return span


def _record_request(span: Any, arguments: dict[str, Any]) -> None:
    asked = {key: value for key, value in arguments.items() if key not in NOT_ASKED}
    span.set_inputs(asked)
    span.set_attribute(SpanAttributeKey.MESSAGE_FORMAT, "openai")
    span.set_attribute("model", arguments["model"])


def _record_answer(span: Any, response: Any, began: float) -> None:
    span.set_outputs(response.model_dump(exclude_none=True))
    hidden_params = response._hidden_params
    _record_usage(span, response.usage, began)
    span.set_attribute("response_cost", hidden_params.get("response_cost"))
    span.set_attribute("finish_reasons", [choice.finish_reason for choice in response.choices])
    _record_origin(span, response.model, hidden_params)


def _record_usage(span: Any, usage: Any, began: float) -> None:
    used = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    span.set_attribute(SpanAttributeKey.CHAT_USAGE, used)
    # MLflow computes the cost from tokens and model when the span ends.
    per_second = usage.completion_tokens / (time.perf_counter() - began)
    span.set_attribute("output_tokens_per_second", round(per_second, 3))


def _record_origin(span: Any, model: str, hidden_params: dict[str, Any]) -> None:
    span.set_attribute(SpanAttributeKey.MODEL, model)
    span.set_attribute(SpanAttributeKey.MODEL_PROVIDER, hidden_params.get("custom_llm_provider"))
    span.set_attribute("cache_hit", bool(hidden_params.get("cache_hit")))
    for name in ("litellm_call_id", "api_base", "custom_llm_provider"):
        span.set_attribute(name, hidden_params.get(name))


class _Text:
    """The text of a stream."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.first: float | None = None
        self.parts: list[str] = []
        self.chunks = 0
        self.last: Any = None
        self.finish_reason: str | None = None

    def add(self, chunk: Any) -> None:
        """Add a chunk."""
        if self.first is None:
            self.first = time.perf_counter()
        self.last = chunk
        self.chunks += 1
        choice = chunk.choices[0]
        if choice.delta.content:
            self.parts.append(choice.delta.content)
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason

    def record(self, span: Any, stream: Any) -> None:
        """Record the text on a span."""
        message = {"role": "assistant", "content": "".join(self.parts)}
        choice = {"index": 0, "finish_reason": self.finish_reason, "message": message}
        head = {key: getattr(self.last, key) for key in ("id", "created", "model")}
        outputs = {**head, "object": "chat.completion", "choices": [choice]}
        # LiteLLM's estimate, since 1.110.
        if (usage := self.last._hidden_params["usage"]).total_tokens:
            outputs["usage"] = usage.model_dump(exclude_none=True)
            _record_usage(span, usage, self.began)
            estimated = {"usage_is_estimate": True, "response_cost": usage.cost}
            span.set_attributes(estimated)
        span.set_outputs(outputs)
        span.set_attribute("finish_reasons", [self.finish_reason])
        span.set_attribute("stream_chunks", self.chunks)
        if self.first is not None:
            waited = round((self.first - self.began) * 1000, 3)
            span.set_attribute("time_to_first_chunk_ms", waited)
        _record_origin(span, self.last.model, self.last._hidden_params | stream._hidden_params)


def _read(stream: Any, span: Any, began: float) -> Iterator[Any]:
    text = _Text(began)
    try:
        for chunk in stream:
            text.add(chunk)
            yield chunk
        text.record(span, stream)
    finally:
        span.end()


async def _aread(stream: Any, span: Any, began: float) -> AsyncIterator[Any]:
    text = _Text(began)
    try:
        async for chunk in stream:
            text.add(chunk)
            yield chunk
        text.record(span, stream)
    finally:
        span.end()
