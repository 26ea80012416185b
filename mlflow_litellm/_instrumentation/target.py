"""The description of one traced function of LiteLLM."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_litellm._payloads.kind import Kind


@dataclass(frozen=True, slots=True)
class Target:
    """
    One traced function: a public function of LiteLLM that reaches a model.

    Attributes:
        name: The name below ``litellm``, such as ``"acompletion"``.
        span_type: MLflow's type of its spans, such as ``SpanType.LLM``.
        kind: The kind of call, which reads its requests and responses.
        may_be_bridged: Whether LiteLLM makes calls of other kinds through this function. Both calls
            then have one span.
        is_composite: Whether it reaches models only through calls of its own.
        passes_to: The name below ``litellm`` of the function that gets its arguments; empty if its
            own signature names them.
        positional: The names of its positional arguments, if no signature names them.
    """

    name: str
    span_type: str
    kind: Kind
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
        """Whether the function retries another call."""
        return self.name.endswith("_with_retries")

    def named_by(self, wrapped: object) -> Any:
        """Return the function whose signature names the arguments."""
        return vars(sys.modules["litellm"])[self.passes_to] if self.passes_to else wrapped
