"""The ways of tracing that are compared, each in its own process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def nothing() -> Any:
    """Return LiteLLM without tracing."""
    import litellm

    return litellm


def autolog() -> Any:
    """Switch ``mlflow.litellm.autolog()`` on, this package's or MLflow's own."""
    import mlflow

    mlflow.litellm.autolog()
    return nothing()


def end_autolog() -> None:
    """Switch it off."""
    import mlflow

    mlflow.litellm.autolog(disable=True)


def autolog_and_end() -> Any:
    """Switch it on, and off again."""
    autolog()
    end_autolog()
    return nothing()


def without_tracing() -> Any:
    """Switch it on, and MLflow's tracing off."""
    import mlflow

    mlflow.tracing.disable()
    return autolog()


def bare() -> Any:
    """Return the module that makes spans that record nothing."""
    from bench import bare as made

    return made


def bare_without_tracing() -> Any:
    """Return the same module, with MLflow's tracing off."""
    import mlflow

    mlflow.tracing.disable()
    return bare()


def by_hand() -> Any:
    """Return the module that makes the spans by hand."""
    from bench import by_hand as made

    return made


def nothing_to_end() -> None:
    """Do nothing: only the called module differs."""


def openinference() -> Any:
    """Make OpenInference send its spans through MLflow, which is OpenTelemetry's provider here."""
    import mlflow
    from openinference.instrumentation.litellm import LiteLLMInstrumentor

    # Sets up the provider.
    with mlflow.start_span("first"):
        pass
    LiteLLMInstrumentor().instrument()
    return nothing()


def end_openinference() -> None:
    """Switch it off."""
    from openinference.instrumentation.litellm import LiteLLMInstrumentor

    LiteLLMInstrumentor().uninstrument()


@dataclass(frozen=True)
class Variant:
    """
    One way of tracing.

    Args:
        key: Its name for the worker and in figures.
        title: Its name for readers.
        on: Switches it on, and returns the module through which calls are made.
        off: Switches it off; None if it cannot be switched off, or if the state after that is
            measured.
        environment: Environment variables of its process.
        records: Whether it makes a trace of each call.
    """

    key: str
    title: str
    on: Callable[[], Any]
    off: Callable[[], None] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    records: bool = True


VARIANTS = {
    variant.key: variant
    for variant in (
        Variant("nothing", "nothing", nothing, records=False),
        Variant("ours", "this package", autolog, end_autolog),
        Variant("off", "switched off again", autolog_and_end, records=False),
        Variant(
            "disabled", "MLflow's tracing disabled", without_tracing, end_autolog, records=False
        ),
        Variant(
            "sampled_out", "sampled out", autolog, end_autolog,
            {"MLFLOW_TRACE_SAMPLING_RATIO": "0"}, records=False,
        ),
        Variant(
            "bare", "a bare span, sampled out", bare, nothing_to_end,
            {"MLFLOW_TRACE_SAMPLING_RATIO": "0"}, records=False,
        ),
        Variant(
            "bare_disabled", "a bare span, tracing disabled", bare_without_tracing, nothing_to_end,
            records=False,
        ),
        Variant("by_hand", "by hand", by_hand, nothing_to_end),
        # Its `disable=True` leaves async calls traced, so it is compared with `nothing`.
        Variant(
            "builtin", "MLflow's own", autolog,
            environment={"MLFLOW_LITELLM_TAKEOVER": "false"},
        ),
        Variant(
            "openinference", "OpenInference", openinference, end_openinference,
            {"MLFLOW_USE_DEFAULT_TRACER_PROVIDER": "false"},
        ),
    )
}  # fmt: skip
