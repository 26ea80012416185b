"""
The names of MLflow's span attributes and trace metadata that this package writes.

Each stored trace has them, so they are an interface, but MLflow's constants for them are not
public. https://mlflow.org/docs/latest/genai/tracing/
"""

from __future__ import annotations

# Attributes of a span.
CHAT_TOOLS = "mlflow.chat.tools"
CHAT_USAGE = "mlflow.chat.tokenUsage"
EXPERIMENT_ID = "mlflow.experimentId"
INPUTS = "mlflow.spanInputs"
LLM_COST = "mlflow.llm.cost"
MESSAGE_FORMAT = "mlflow.message.format"
MODEL = "mlflow.llm.model"
MODEL_PROVIDER = "mlflow.llm.provider"
OUTPUTS = "mlflow.spanOutputs"
REQUEST_ID = "mlflow.traceRequestId"
SPAN_TYPE = "mlflow.spanType"
# The prefix of a tag's name, if the trace is exported by OTLP only.
TRACE_TAG_PREFIX = "mlflow.traceTag."

# Metadata of a trace.
TRACE_SESSION = "mlflow.trace.session"
TRACE_USER = "mlflow.trace.user"

# A tag of a stored trace, and its value if the spans are in the tracking store.
SPANS_LOCATION = "mlflow.trace.spansLocation"
TRACKING_STORE = "TRACKING_STORE"
