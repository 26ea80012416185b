"""
Look up the names of MLflow that are not public, here only, when they are needed.

If MLflow lacks a name, the feature that needs it is off, and calls are traced without it.
`Name.lost` describes the loss. The public names: https://mlflow.org/docs/latest/api_reference/
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import mlflow

from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._common.patching import Patch

if TYPE_CHECKING:
    from types import ModuleType

    from mlflow_litellm._common.patching import Wrapper

logger = logging.getLogger("mlflow_litellm")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Name:
    """
    One non-public name of MLflow.

    Attributes:
        module: The module that has the name.
        attribute: The name.
        lost: The consequence if MLflow lacks the name.
    """

    module: str
    attribute: str
    lost: str

    def find(self, default: object = None) -> Any:
        """Return the object with the name; `default` if there is none."""
        # Not pkgutil.resolve_name(): it takes 2 us, and each call needs several names.
        value = getattr(self._imported(), self.attribute, None)
        if value is None:
            logger.debug("MLflow has no %s.%s: %s.", self.module, self.attribute, self.lost)
            return default
        return value

    def call(self, *args: object) -> Any:
        """Call the function or the class with the name; return None if there is none."""
        function = self.find()
        return None if function is None else function(*args)

    def patches(self, wrapper: Wrapper) -> list[Patch]:
        """Return a patch of the function with the name; none if there is no such function."""
        if self.find() is None:
            return []
        return [Patch(self._imported(), self.attribute, wrapper, lambda: True)]

    def _imported(self) -> Any:
        return sys.modules.get(self.module) or _imported(self.module)


def _imported(module: str) -> ModuleType | None:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


_EXPERIMENT = "MLflow finds the experiment of a new trace, and may ask the server each time"
_OTLP = "traces that go only to OpenTelemetry ask MLflow's server for an experiment"
_FORKS = "a forked child may wait for MLflow's threads, or share connections with its parent"
_REMOTE = "a request to the LiteLLM Proxy begins a trace of its own"
_ACCOUNTING = "the spans that MLflow sent and dropped are not counted"
_WORKSPACE = "the first call may wait for a Databricks workspace that does not answer"
_AUTOLOG = "mlflow.autolog() does not switch this flavor"

ACTIVE_EXPERIMENT = Name("mlflow.tracking.fluent", "_active_experiment_id", _EXPERIMENT)
AUTOLOGGING_CONFIGURED = Name(
    "mlflow.utils.autologging_utils", "AUTOLOGGING_CONF_KEY_IS_GLOBALLY_CONFIGURED", _AUTOLOG
)
AUTOLOGGING_INTEGRATION = Name(
    "mlflow.utils.autologging_utils", "autologging_integration", _AUTOLOG
)
AUTOLOGGING_INTEGRATIONS = Name(
    "mlflow.utils.autologging_utils", "AUTOLOGGING_INTEGRATIONS", _AUTOLOG
)
AUTOLOGGING_LOCK = Name(
    "mlflow.utils.autologging_utils",
    "autologging_conf_lock",
    "mlflow.autolog() and mlflow.litellm.autolog() in two threads may disturb each other",
)
BATCH_PROCESSOR = Name("mlflow.tracing.processor.base_mlflow", "BaseMlflowSpanProcessor", _FORKS)
BATCH_PROCESSORS = Name("mlflow.tracing.processor.base_mlflow", "_batch_processor_registry", _FORKS)
BRIDGED_PROVIDER = Name("mlflow.tracing.provider", "get_bridged_tracer_provider", _WORKSPACE)
CONFIGURED_METADATA = Name(
    "mlflow.tracing.context",
    "get_configured_trace_metadata",
    "a session or user of the call overrides the one of mlflow.tracing.context()",
)
CONFIGURED_TAGS = Name(
    "mlflow.tracing.context",
    "get_configured_trace_tags",
    "tags of the call override the tags of mlflow.tracing.context()",
)
CONTEXT_API = Name("mlflow.tracing.provider", "get_context_api", _REMOTE)
CURRENT_SPAN = Name(
    "mlflow.tracing.provider",
    "get_current_otel_span",
    "calls of a task that lives longer than its trace have no span",
)
DEFAULT_EXPERIMENT = Name(
    "mlflow.tracking.default_experiment.registry",
    "get_experiment_id",
    "without an experiment, each call looks for modules of Databricks notebooks",
)
DETACH = Name(
    "mlflow.tracing.provider", "detach_span_from_context", "inner calls are traces of their own"
)
DUAL_EXPORT = Name("mlflow.environment_variables", "MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT", _OTLP)
EXPORTER = Name("mlflow.tracing.provider", "_get_trace_exporter", _FORKS)
EXPORTERS_CLIENT = Name(
    "mlflow.tracing.export.mlflow_v3",
    "TracingClient",
    "the store is opened on the thread of the first call",
)
IS_DATABRICKS = Name("mlflow.utils.uri", "is_databricks_uri", _WORKSPACE)
LATEST_RUN = Name(
    "mlflow.tracking.fluent", "_get_latest_active_run", "a run in another thread is not seen"
)
MAKE_TRACE_ID = Name("mlflow.tracing.utils", "generate_mlflow_trace_id_from_otel_trace_id", _REMOTE)
NO_OP_SPAN = Name(
    "mlflow.entities.span", "NoOpSpan", "the data of calls that are not recorded is prepared anyway"
)
PROVIDER = Name(
    "mlflow.tracing.provider",
    "provider",
    "span ids are drawn from the program's random, and open spans are lost at set_experiment()",
)
GET_TRACER = Name("mlflow.tracing.provider", "_get_tracer", _WORKSPACE)
IN_MODEL_SERVING = Name(
    "mlflow.utils.databricks_utils", "is_in_databricks_model_serving_environment", _WORKSPACE
)
INITIALIZE_PROVIDER = Name(
    "mlflow.tracing.provider",
    "_initialize_tracer_provider",
    "span ids are drawn from the program's random",
)
TRANSLATE = Name(
    "mlflow.tracing.export.genai_semconv.translator",
    "translate_span_to_genai",
    "an export by the GenAI conventions has only the attributes that MLflow converts",
)
SET_CURRENT = Name(
    "mlflow.tracing.provider", "set_span_in_context", "inner calls are traces of their own"
)
SPAN_PROCESSOR = Name("mlflow.tracing.provider", "_get_span_processor", _FORKS)
TRACE_MANAGER = Name(
    "mlflow.tracing.trace_manager",
    "InMemoryTraceManager",
    "traces of other processes are not continued, and open spans are lost at set_experiment()",
)
TRACING_CLIENT = Name("mlflow.tracing.client", "TracingClient", _ACCOUNTING)
USER_CONTEXT = Name(
    "mlflow.tracing.fluent",
    "_USER_TRACE_CONTEXT",
    "calls below mlflow.tracing.context(enabled=False) may be counted as lost",
)
USER_DESTINATION = Name("mlflow.tracing.provider", "_MLFLOW_TRACE_USER_DESTINATION", _EXPERIMENT)
USES_OTLP = Name("mlflow.tracing.utils.otlp", "should_use_otlp_exporter", _OTLP)

NAMES = [value for value in dict(globals()).values() if isinstance(value, Name)]

# The method of MLflow's tracer provider that shuts a replaced provider down.
RETIRE = "_retire_current_batch_processors"


# Used instead of MLflow's configurations of its flavors, if MLflow lacks them.
_configurations: dict[str, dict[str, Any]] = {}
_lock = threading.RLock()


def flavor_configurations() -> dict[str, dict[str, Any]]:
    """Return MLflow's configuration of each autologging flavor, by name."""
    configurations: dict[str, dict[str, Any]] = AUTOLOGGING_INTEGRATIONS.find(_configurations)
    return configurations


def configured_by(flavor: str) -> Callable[[F], F]:
    """Return a decorator: MLflow stores the function's arguments as a flavor's configuration."""
    integration = AUTOLOGGING_INTEGRATION.find()
    return integration(flavor) if integration else lambda function: function


def mark_configured(flavor: str) -> None:
    """Let ``mlflow.autolog(disable=True)`` switch off a flavor that was switched on by name."""
    configuration = flavor_configurations().setdefault(flavor, {})
    configuration[AUTOLOGGING_CONFIGURED.find("globally_configured")] = True


def locked(function: F) -> F:
    """Return a function that holds the lock with which ``mlflow.autolog()`` switches flavors."""
    if lock := AUTOLOGGING_LOCK.find():
        return cast("F", lock(function))

    @functools.wraps(function)
    def with_lock(*args: object, **kwargs: object) -> Any:
        with _lock:
            return function(*args, **kwargs)

    return cast("F", with_lock)


def client() -> Any:
    """Return MLflow's client of experiments."""
    if public := getattr(mlflow, "MlflowClient", None):
        return public()
    # With mlflow-tracing alone there is no MlflowClient, and MLflow's own lookup fails.
    from mlflow.tracking._tracking_service.client import TrackingServiceClient

    return TrackingServiceClient(mlflow.get_tracking_uri())


def has_experiment() -> bool:
    """Return whether ``mlflow.set_experiment()`` has chosen an experiment."""
    # Not by mlflow.set_experiment(): it is public, but asks the server for the experiment.
    fluent = sys.modules.get(ACTIVE_EXPERIMENT.module)
    return getattr(fluent, ACTIVE_EXPERIMENT.attribute, None) is not None


def is_off_here() -> bool:
    """Return whether ``mlflow.tracing.context(enabled=False)`` is active; True if unknown."""
    context = USER_CONTEXT.find()
    chosen = context and context.get()
    return context is None or (chosen is not None and chosen.enabled is False)


@functools.cache
def default_experiment_id() -> str | None:
    """
    Return the experiment that MLflow takes if none is chosen; None if MLflow is to find it.

    It stays the same in a process. MLflow asks for it at each trace, and looks for IPython then:
    in each folder of the path, if IPython is not installed.
    """
    # A store that is not installed fails here; MLflow is to report that.
    with errors_ignored():
        if (experiment_id := DEFAULT_EXPERIMENT.call()) is not None:
            return str(experiment_id)
    return None


def has_destination() -> bool:
    """Return whether ``mlflow.tracing.set_destination()`` has chosen a destination."""
    destination = USER_DESTINATION.find()
    return destination is not None and destination.get() is not None


def has_run() -> bool:
    """Return whether a run is active, in any thread."""
    # The public active_run() returns only this thread's run; traces go to a run of any thread.
    return LATEST_RUN.find(mlflow.active_run)() is not None


def current_otel_span() -> Any:
    """Return OpenTelemetry's current span, also if MLflow does not record it."""
    return CURRENT_SPAN.call()


def make_current(span: object) -> Any:
    """Make one of MLflow's spans the current one; return a token for `make_not_current`."""
    return SET_CURRENT.call(span)


def make_not_current(token: object) -> None:
    """Make the previous span current again."""
    DETACH.call(token)


def is_no_op(span: object) -> bool:
    """Return whether a span of MLflow's records nothing."""
    kind = NO_OP_SPAN.find()
    return kind is not None and isinstance(span, kind)


def no_op_span() -> Any:
    """Return a span that records nothing; None if MLflow has none."""
    return NO_OP_SPAN.call()


def trace_manager() -> Any:
    """Return MLflow's manager of traces in memory, which are not sent yet; None if it has none."""
    manager = TRACE_MANAGER.find()
    return manager and manager.get_instance()


def configured_tags() -> dict[str, str]:
    """Return the trace tags that ``mlflow.tracing.context()`` sets."""
    return CONFIGURED_TAGS.call() or {}


def configured_metadata() -> dict[str, str]:
    """Return the trace metadata that ``mlflow.tracing.context()`` sets."""
    return CONFIGURED_METADATA.call() or {}


def otel_span(span: object) -> Any:
    """Return OpenTelemetry's span within one of MLflow's."""
    return getattr(span, "_span", span)


def tracer_provider() -> Any:
    """Return MLflow's wrapper of its tracer provider; None if MLflow has none."""
    return PROVIDER.find()


def isolated_tracer_provider() -> Any:
    """Return the tracer provider that only MLflow uses; None before its first span."""
    return getattr(tracer_provider(), "_isolated_tracer_provider", None)


def is_tracing_ready() -> bool:
    """Return whether MLflow has made its tracer provider; True if unknown."""
    return (
        isolated_tracer_provider() is not None
        or getattr(lock_of_readiness(), "_done", True) is True
    )


def get_tracing_ready() -> bool:
    """Make MLflow create its tracer provider, as before its first span; return True."""
    # Older versions have only the second.
    if make := BRIDGED_PROVIDER.find():
        make()
    elif make := GET_TRACER.find():
        make(__name__)
    return True


def lock_of_readiness() -> Any:
    """Return the object with the lock that `get_tracing_ready` takes; None if it has moved."""
    return getattr(tracer_provider(), "once", None)


def asks_workspace() -> bool:
    """Return whether MLflow asks a Databricks workspace before its first span."""
    if IN_MODEL_SERVING.call():
        return True
    return bool(IS_DATABRICKS.call(mlflow.get_tracking_uri())) and not has_destination()


def trace_exporter() -> Any:
    """Return MLflow's exporter of traces; None if there is none, or if it has moved."""
    return EXPORTER.call()


def export_queue(exporter: object = None) -> Any:
    """Return the queue from which the exporter's threads send; None if it has no queue."""
    return getattr(exporter or trace_exporter(), "_async_queue", None)


def span_processor() -> Any:
    """Return the processor in which ended spans wait for the exporter; None if there is none."""
    processor, kind = SPAN_PROCESSOR.call(), BATCH_PROCESSOR.find()
    return processor if kind and isinstance(processor, kind) else None


def span_processors() -> list[Any]:
    """Return `span_processor`, and earlier processors that may have open spans."""
    processors = list(BATCH_PROCESSORS.find(()))
    current = span_processor()
    return processors if current is None or current in processors else [*processors, current]


def trace_exporters() -> list[Any]:
    """Return `trace_exporter`, and earlier exporters that may have spans to send."""
    exporters = [processor.span_exporter for processor in span_processors()]
    current = trace_exporter()
    return exporters if current is None or current in exporters else [*exporters, current]


def reset_ending_spans(processor: object) -> None:
    """Keep a flush from waiting for spans that other threads were ending at the fork."""
    if hasattr(processor, "_pending_on_end_count"):
        processor._pending_on_end_count = 0  # noqa: SLF001 - There is no public way.


def open_traces() -> list[int]:
    """Return OpenTelemetry's ids of the traces with open spans; empty if unknown."""
    manager = trace_manager()
    ids = list(getattr(manager, "_otel_id_to_mlflow_trace_id", ()))
    return [trace_id for trace_id in ids if manager.has_open_spans(trace_id)]


def has_trace(trace_id: int) -> bool:
    """Return whether MLflow has an open trace with this OpenTelemetry id; True if unknown."""
    find = getattr(trace_manager(), "get_mlflow_trace_id_from_otel_id", None)
    return find is None or find(trace_id) is not None


def store_engine(exporter: object = None) -> Any:
    """
    Return the SQLAlchemy engine of the SQL store that traces go to.

    Returns None if there is no SQL store, or if it is not open. Never opens it.
    """
    client = getattr(exporter or trace_exporter(), "_client", None)
    # The `store` of this package's lazy client would open the store.
    has_lazy_store = hasattr(type(client), "opened_store")
    store = getattr(client, "opened_store" if has_lazy_store else "store", None)
    return getattr(store, "engine", None)


def sql_store_class() -> Any:
    """Return MLflow's class of SQL stores, which has the lock of their engines; None if unused."""
    module = sys.modules.get("mlflow.store.tracking.sqlalchemy_store")
    return getattr(module, "SqlAlchemyStore", None)


def exports_to_otlp_only() -> bool:
    """Return whether traces go only to an OpenTelemetry collector, not to a store of MLflow's."""
    dual = DUAL_EXPORT.find()
    if (dual is not None and dual.get()) or has_destination():
        return False
    return bool(USES_OTLP.find(bool)())
