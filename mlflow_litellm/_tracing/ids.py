"""
Has MLflow draw the ids of its spans from the system, and not from Python's global ``random``.

A program that calls ``random.seed()`` would get other numbers because it is traced, and a Router
other deployments; and each run with the same seed would have the ids of the last one, whose
traces it would write over. MLflow has a switch for this, but with it prints a fault at exit.
"""

from __future__ import annotations

import random
from typing import Any

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from mlflow_litellm._common.patching import Patch
from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.guard import guard

# Has no state that a fork could copy.
_system = random.SystemRandom()


class SystemIdGenerator(RandomIdGenerator):
    """Draws ids from the system."""

    def generate_span_id(self) -> int:
        """Return 64 random bits, not all of them 0, which is no id."""
        return _system.getrandbits(64) or self.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return 128 random bits, not all of them 0."""
        return _system.getrandbits(128) or self.generate_trace_id()


def isolate() -> None:
    """Change the source of MLflow's ids, unless the user has chosen one, or shares his provider."""
    with guard("choosing where ids come from"):
        generator = getattr(mlflow_compat.isolated_tracer_provider(), "id_generator", None)
        if type(generator) is RandomIdGenerator:
            # Not another object: tracers that exist by now hold this one.
            generator.__class__ = SystemIdGenerator


def id_patches() -> list[Patch]:
    """Return the patch by which each provider of tracers that MLflow makes is changed."""
    name = mlflow_compat.INITIALIZE_PROVIDER
    module = name.holder()
    return [Patch(module, name.attribute, _initialize, lambda: True)] if module else []


def _initialize(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    result = wrapped(*args, **kwargs)
    isolate()
    return result
