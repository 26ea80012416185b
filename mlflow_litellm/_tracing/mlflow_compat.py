"""
What of MLflow has no public name, looked up here alone.

Each is found by feature. Without it MLflow decides as it would have, or the nearest public name
answers.
"""

from __future__ import annotations

import sys
from typing import Any

import mlflow
from mlflow.environment_variables import MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT
from mlflow.tracing import fluent as tracing_fluent
from mlflow.tracing import provider
from mlflow.tracing.processor import base_mlflow
from mlflow.tracing.trace_manager import InMemoryTraceManager
from mlflow.tracing.utils import otlp
from mlflow.tracking import fluent

# The method of MLflow's provider of tracers that shuts down what another takes the place of.
RETIRE = "_retire_current_batch_processors"


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


def is_off_here() -> bool:
    """Tell whether ``mlflow.tracing.context(enabled=False)`` is around; True if that is unknown."""
    context = getattr(tracing_fluent, "_USER_TRACE_CONTEXT", None)
    chosen = context and context.get()
    return context is None or (chosen is not None and chosen.enabled is False)


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


def isolated_tracer_provider() -> Any:
    """Return the provider of tracers that is MLflow's alone; None before its first span."""
    return getattr(getattr(provider, "provider", None), "_isolated_tracer_provider", None)


def is_tracing_ready() -> bool:
    """Tell whether MLflow has what it makes spans by; True if that is unknown."""
    wrapper = getattr(provider, "provider", None)
    return (
        isolated_tracer_provider() is not None
        or getattr(getattr(wrapper, "once", None), "_done", True) is True
    )


def get_tracing_ready() -> bool:
    """Have MLflow make what it makes spans by, as it does for the first; return True."""
    make = getattr(provider, "get_bridged_tracer_provider", None)
    if make is None:
        provider._get_tracer(__name__)  # noqa: SLF001 - Older ones have nothing else.
    else:
        make()
    return True


def lock_of_readiness() -> Any:
    """Return what holds the lock of `get_tracing_ready`; None if that has moved."""
    return getattr(getattr(provider, "provider", None), "once", None)


def trace_exporter() -> Any:
    """Return what MLflow sends traces by; None where that has moved, or there is none."""
    return getattr(provider, "_get_trace_exporter", lambda: None)()


def export_queue(exporter: Any = None) -> Any:
    """Return what MLflow's exporter sends from, in threads; None where it does without."""
    return getattr(exporter or trace_exporter(), "_async_queue", None)


def span_processor() -> Any:
    """Return what ended spans wait in for MLflow's exporter; None where they go by another way."""
    found = getattr(provider, "_get_span_processor", lambda: None)()
    return found if isinstance(found, base_mlflow.BaseMlflowSpanProcessor) else None


def span_processors() -> list[Any]:
    """Return `span_processor`, and those before it that may have open spans."""
    found = list(getattr(base_mlflow, "_batch_processor_registry", ()))
    current = span_processor()
    return found if current is None or current in found else [*found, current]


def trace_exporters() -> list[Any]:
    """Return `trace_exporter`, and those before it that may have spans to send."""
    found = [processor.span_exporter for processor in span_processors()]
    current = trace_exporter()
    return found if current is None or current in found else [*found, current]


def forget_other_threads(processor: Any) -> None:
    """Have a flush not wait for spans that other threads were ending as the process was forked."""
    if hasattr(processor, "_pending_on_end_count"):
        processor._pending_on_end_count = 0  # noqa: SLF001 - There is no other way to it.


def open_traces() -> list[int]:
    """Return the traces with open spans, by OpenTelemetry's id; none where that is not known."""
    manager = InMemoryTraceManager.get_instance()
    known = list(getattr(manager, "_otel_id_to_mlflow_trace_id", ()))
    return [trace_id for trace_id in known if manager.has_open_spans(trace_id)]


def has_trace(trace_id: int) -> bool:
    """Tell whether MLflow has an open trace with OpenTelemetry's id; True if that is unknown."""
    manager = InMemoryTraceManager.get_instance()
    find = getattr(manager, "get_mlflow_trace_id_from_otel_id", None)
    return find is None or find(trace_id) is not None


def store_engine(exporter: Any = None) -> Any:
    """
    Return what holds the connections of the SQL store that traces go to.

    None without one, and while it is not open: opens nothing.
    """
    client = getattr(exporter or trace_exporter(), "_client", None)
    # What this package has put there would open the store.
    has_lazy_store = hasattr(type(client), "opened_store")
    store = getattr(client, "opened_store" if has_lazy_store else "store", None)
    return getattr(store, "engine", None)


def sql_store_class() -> Any:
    """Return MLflow's class of SQL stores, whose engines have one lock; None if it is unused."""
    module = sys.modules.get("mlflow.store.tracking.sqlalchemy_store")
    return getattr(module, "SqlAlchemyStore", None)


def exports_to_otlp_only() -> bool:
    """Tell whether traces go to an OpenTelemetry collector, and to no store of MLflow's."""
    if MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT.get() or has_destination():
        return False
    return bool(getattr(otlp, "should_use_otlp_exporter", bool)())
