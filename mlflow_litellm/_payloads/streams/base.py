"""What the accumulators of streams that are none of chat completions have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.response_attributes import set_stream_cost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

# Where LiteLLM's streams have its ``Logging`` of the call.
_LOGGINGS = ("logging_obj", "litellm_logging_obj")


class Streamed:
    """
    An answer that comes in pieces, and what LiteLLM tells beside it.

    Its accumulators take pieces as they come, and give the answer so far at any time. They are
    not thread-safe.

    Attributes:
        has_content: Whether anything of the answer itself has come, after what reasoning there is.
        error: What the provider says went wrong, where LiteLLM passes that on as an event.

    Args:
        arguments: The call's arguments by name, but for what it was asked.
        stream: The stream, for what LiteLLM hangs on it.
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
        """Return an answer with its cost; `response` is what LiteLLM prices, if it has that."""
        set_stream_cost(parsed, self._logging, self._hidden_params, self._arguments, response)
        return parsed
