"""The ways of tracing that are compared, each in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def nothing() -> Any:
    """Return LiteLLM as it is."""
    import litellm

    return litellm


def autolog() -> Any:
    """Switch ``mlflow.litellm.autolog()`` on, whosever it is."""
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
    """Return what makes spans that record nothing."""
    from bench import bare as made

    return made


def bare_without_tracing() -> Any:
    """Return the same, with MLflow's tracing off."""
    import mlflow

    mlflow.tracing.disable()
    return bare()


def by_hand() -> Any:
    """Return what makes the spans by hand."""
    from bench import by_hand as made

    return made


def nothing_to_end() -> None:
    """Leave all as it is: what is called makes the difference."""


def openinference() -> Any:
    """Have OpenInference send its spans through MLflow, which is OpenTelemetry's provider here."""
    import mlflow
    from openinference.instrumentation.litellm import LiteLLMInstrumentor

    # Sets the provider up.
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
        key: Names it to the worker, and in figures.
        title: Names it to readers.
        on: Switches it on, and returns the module that calls are made through.
        off: Switches it off; None where there is no off, or its off is what is measured.
        environment: What its process finds in the environment.
        records: Whether it leaves a trace of each call.
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
