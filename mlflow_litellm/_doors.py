"""The one table of what is patched: each public function of LiteLLM that reaches a model."""

from __future__ import annotations

from mlflow.entities import SpanType

from mlflow_litellm._calls import Door
from mlflow_litellm.payloads import chat

DOORS = (
    Door("completion", SpanType.CHAT_MODEL, chat),
    Door("acompletion", SpanType.CHAT_MODEL, chat),
)
