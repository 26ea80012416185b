"""
What of MLflow has no public name, looked up here alone.

Each is found by feature. Without it MLflow decides as it would have, or the nearest public name
answers.
"""

from __future__ import annotations

from typing import Any

import mlflow
from mlflow.environment_variables import MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT
from mlflow.tracing import provider
from mlflow.tracing.utils import otlp
from mlflow.tracking import fluent


def client() -> Any:
    """Return MLflow's client of experiments."""
    if public := getattr(mlflow, "MlflowClient", None):
        return public()
    # With mlflow-tracing alone there is no MlflowClient, and MLflow's own lookup fails.
    from mlflow.tracking._tracking_service.client import TrackingServiceClient

    return TrackingServiceClient(mlflow.get_tracking_uri())


def has_experiment() -> bool:
    """Tell whether ``mlflow.set_experiment()`` has chosen one."""
    # Not through mlflow.set_experiment(), which is public but looks the experiment up.
    return getattr(fluent, "_active_experiment_id", None) is not None


def has_destination() -> bool:
    """Tell whether ``mlflow.tracing.set_destination()`` has chosen one."""
    destination = getattr(provider, "_MLFLOW_TRACE_USER_DESTINATION", None)
    return destination is not None and destination.get() is not None


def has_run() -> bool:
    """Tell whether a run is active, in any thread."""
    # The public active_run() knows only this thread's run; traces go to any thread's.
    latest = getattr(fluent, "_get_latest_active_run", mlflow.active_run)
    return latest() is not None


def otel_span(span: Any) -> Any:
    """Return OpenTelemetry's span within one of MLflow's."""
    return getattr(span, "_span", span)


def trace_exporter() -> Any:
    """Return what MLflow sends traces by; None where that has moved, or there is none."""
    return getattr(provider, "_get_trace_exporter", lambda: None)()


def export_queue() -> Any:
    """Return what MLflow's exporter sends from, in threads; None where it does without."""
    return getattr(trace_exporter(), "_async_queue", None)


def span_processor() -> Any:
    """Return what ended spans wait in for MLflow's exporter; None where they go by another way."""
    from mlflow.tracing.processor.base_mlflow import BaseMlflowSpanProcessor

    found = getattr(provider, "_get_span_processor", lambda: None)()
    return found if isinstance(found, BaseMlflowSpanProcessor) else None


def forget_other_threads() -> None:
    """Have a flush not wait for spans that other threads were ending as the process was forked."""
    processor = span_processor()
    if hasattr(processor, "_pending_on_end_count"):
        processor._pending_on_end_count = 0  # noqa: SLF001 - There is no other way to it.


def store_engine() -> Any:
    """Return what holds the connections of the SQL store that traces go to; None without one."""
    client = getattr(trace_exporter(), "_client", None)
    return getattr(getattr(client, "store", None), "engine", None)


def exports_to_otlp_only() -> bool:
    """Tell whether traces go to an OpenTelemetry collector, and to no store of MLflow's."""
    if MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT.get() or has_destination():
        return False
    return bool(getattr(otlp, "should_use_otlp_exporter", bool)())
