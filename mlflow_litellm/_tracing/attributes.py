"""
The names of MLflow's span attributes and trace metadata that are written here.

They stand in each stored trace, so they are an interface; the constants that MLflow has for them
are not public. https://mlflow.org/docs/latest/genai/tracing/
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
# Before the name of a tag, if the trace is exported by OTLP only.
TRACE_TAG_PREFIX = "mlflow.traceTag."

# Metadata of a trace.
TRACE_SESSION = "mlflow.trace.session"
TRACE_USER = "mlflow.trace.user"

# A tag of a stored trace, and its value if the spans are in the tracking store.
SPANS_LOCATION = "mlflow.trace.spansLocation"
TRACKING_STORE = "TRACKING_STORE"
