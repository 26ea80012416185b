"""LiteLLM's calls in spans that record nothing: the cost of MLflow alone."""

from __future__ import annotations

from typing import Any

import litellm
import mlflow


def completion(**arguments: Any) -> Any:
    """Make a call within a span."""
    with mlflow.start_span("litellm-completion"):
        return litellm.completion(**arguments)


async def acompletion(**arguments: Any) -> Any:
    """Make an async call within a span."""
    with mlflow.start_span("litellm-acompletion"):
        return await litellm.acompletion(**arguments)
