"""The compared tracers, each with the packages of its own environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LITELLM = "litellm==1.106.2"
MLFLOW = "mlflow==3.17.2"
# Packages that LiteLLM imports for these calls, and does not install.
SHARED = (LITELLM, "tenacity", "mcp", "orjson", "backoff")
OTEL = "opentelemetry-sdk"


@dataclass(frozen=True)
class Tracer:
    """
    One column of the table.

    Args:
        key: The name of its environment and its adapter.
        title: The column's heading.
        package: The package whose version is shown.
        requirements: The packages to install for it, beside `SHARED`.
        setting: How it is switched on, as its own documentation says, and off.
    """

    key: str
    title: str
    package: str
    requirements: tuple[str, ...]
    setting: str


TRACERS = (
    Tracer(
        "ours", "mlflow_litellm", "mlflow_litellm", (f"{ROOT}[mlflow]", MLFLOW),
        "`mlflow.litellm.autolog()`; off by `disable=True`.",
    ),
    Tracer(
        "builtin", "MLflow's own", "mlflow", (MLFLOW,),
        "The same, without this package.",
    ),
    Tracer(
        "otel", "LiteLLM's OpenTelemetry", "litellm",
        (OTEL, "opentelemetry-exporter-otlp-proto-http"),
        '`litellm.callbacks = ["otel"]`; off by emptying this list, as no other way is documented. '
        "Below a caller's span it makes only `raw_gen_ai_request`, and sets the other attributes "
        "on the caller's span; `USE_OTEL_LITELLM_REQUEST_SPAN=true` adds `litellm_request`.",
    ),
    Tracer(
        "openinference", "OpenInference", "openinference-instrumentation-litellm",
        ("openinference-instrumentation-litellm==0.1.51", OTEL),
        "`LiteLLMInstrumentor().instrument()`; off by `uninstrument()`.",
    ),
    Tracer(
        "openllmetry", "OpenLLMetry", "opentelemetry-instrumentation-litellm",
        ("opentelemetry-instrumentation-litellm==0.62.4", OTEL),
        "`LiteLLMInstrumentor().instrument()`; off by `uninstrument()`.",
    ),
    Tracer(
        "openlit", "OpenLIT", "openlit", ("openlit==1.45.0",),
        "`openlit.init(disable_metrics=True)`; it has no switch for off. It gets prices from the "
        "network. Without a network, as here, the cost is 0 unless `pricing_json=` gives prices.",
    ),
    Tracer(
        "logfire", "Logfire", "logfire", ("logfire[litellm]==5.2.0",),
        "`logfire.instrument_litellm()`, which uses OpenInference; it has no switch for off.",
    ),
)  # fmt: skip
