"""One public function of LiteLLM that is traced, as plain data."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_litellm._payloads.base import Payload


@dataclass(frozen=True, slots=True)
class Target:
    """
    One public function of LiteLLM that reaches a model.

    Attributes:
        name: Where it stands below ``litellm``, such as ``"acompletion"``.
        span_type: MLflow's type of its spans, such as ``SpanType.LLM``.
        payload: The module that tells what is recorded.
        bridges: Whether LiteLLM makes calls of other kinds through this one, which then are one
            call with it.
        is_route: Whether it reaches models through calls of its own alone.
        passes_to: The function that it passes its arguments on to, where its own signature does
            not name them: a name below ``litellm``.
        positional: The names of its positional arguments, where no signature names them.
    """

    name: str
    span_type: str
    payload: Payload
    may_be_bridged: bool = True
    is_composite: bool = False
    passes_to: str = ""
    positional: tuple[str, ...] = ()

    @property
    def span_name(self) -> str:
        """The name of its spans, such as ``"litellm-acompletion"``."""
        public = self.name.removeprefix("main.").removeprefix("responses.dispatch.")
        return f"litellm-{public}"

    @property
    def is_retry(self) -> bool:
        """Whether it tries another call again."""
        return self.name.endswith("_with_retries")

    def named_by(self, wrapped: Any) -> Any:
        """Return the function whose signature names the arguments."""
        return vars(sys.modules["litellm"])[self.passes_to] if self.passes_to else wrapped
