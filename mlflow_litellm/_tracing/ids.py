"""
Make MLflow draw the ids of its spans from the system, not from Python's global ``random``.

Otherwise, tracing would change the numbers of a program that calls ``random.seed()``, and the
deployments that its Router picks. Each run with the same seed would have the ids of the last run,
and overwrite its traces. MLflow has a switch for this, but prints an error at exit if it is on.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from mlflow_litellm._common.patching import Patch

# It has no state that a fork could copy.
_system = random.SystemRandom()


class SystemIdGenerator(RandomIdGenerator):
    """Draw ids from the system."""

    def generate_span_id(self) -> int:
        """Return 64 random bits, not all of them 0: an id of 0 is invalid."""
        return _system.getrandbits(64) or self.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return 128 random bits, not all of them 0."""
        return _system.getrandbits(128) or self.generate_trace_id()


def isolate() -> None:
    """Change the source of MLflow's ids, unless the user has chosen one or shares a provider."""
    with guard("choosing the source of ids"):
        generator = getattr(mlflow_compat.isolated_tracer_provider(), "id_generator", None)
        if type(generator) is RandomIdGenerator:
            # The class of the object is changed, because existing tracers hold the object.
            generator.__class__ = SystemIdGenerator


def id_patches() -> list[Patch]:
    """Return the patch that calls `isolate` for each tracer provider that MLflow makes."""
    return mlflow_compat.INITIALIZE_PROVIDER.patches(_initialize)


def _initialize(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    result = wrapped(*args, **kwargs)
    isolate()
    return result
