"""The base class of the accumulators of streams other than completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.response_attributes import set_stream_cost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

# The attributes of LiteLLM's streams that hold the call's ``Logging``.
_LOGGINGS = ("logging_obj", "litellm_logging_obj")


class Streamed:
    """
    A response that arrives in pieces, with LiteLLM's hidden parameters.

    Its subclasses, the accumulators, take each piece as it arrives, and return the response so far
    at any time. They are not thread-safe.

    Attributes:
        has_content: Whether any content other than reasoning has arrived.
        error: The error that the provider reports, if LiteLLM passes it on as an event.

    Args:
        arguments: The call's arguments by name, without its inputs.
        stream: The stream; LiteLLM's hidden parameters and ``Logging`` are read from it.
    """

    def __init__(self, arguments: Mapping[str, Any], stream: Any) -> None:
        self._arguments = arguments
        self._hidden_params = dict(read_hidden_params(stream))
        self._hidden_params.setdefault(
            "custom_llm_provider", getattr(stream, "custom_llm_provider", None)
        )
        loggings = (getattr(stream, name, None) for name in _LOGGINGS)
        self._logging = next(filter(None, loggings), None)
        self.has_content = False
        self.error: Exception | None = None

    def _priced(self, parsed: Response, response: Any = None) -> Response:
        """Return `parsed` with its cost; `response` is the object that LiteLLM prices, if any."""
        set_stream_cost(parsed, self._logging, self._hidden_params, self._arguments, response)
        return parsed
