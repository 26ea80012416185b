"""
What a program may see of tracing, and so is not compared. Users read it, with the reasons, below
*What a program can see of tracing* in ``docs/how-it-works.md``.

No program asks for these: ``type()`` of a function or stream, a function's ``__wrapped__``, whether
``iter(stream) is stream``, and a Router's method for its code, globals and closure.
"""

from __future__ import annotations

# MLflow's export.
THREADS = ("MLflow", "Mlflow", "mlflow", "OtelBatch")
# MLflow's store.
OPEN_FILES = ("mlflow.db",)
# What mlflow.get_last_active_trace_id() reads; and the call under way, None after a stream's chunk.
CONTEXT_VARIABLES = frozenset({"last_active_trace_id", "mlflow_litellm_enclosing"})
# Whose frames stand in tracebacks, between the caller's and LiteLLM's.
WRAPPERS = ("mlflow_litellm", "wrapt")
