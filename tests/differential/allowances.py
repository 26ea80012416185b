"""
The effects of tracing that a program may see, and that are not compared. Users find them, with the
reasons, in *What a program can see of tracing* in ``docs/how-it-works.md``.

No program checks these: ``type()`` of a function or stream, a function's ``__wrapped__``, whether
``iter(stream) is stream``, and the code, globals and closure of a Router's method.
"""

from __future__ import annotations

# MLflow's export.
THREADS = ("MLflow", "Mlflow", "mlflow", "OtelBatch")
# MLflow's store, modules that its export imports at the time, and connections, which LiteLLM's HTTP
# clients close at any time.
OPEN_FILES = ("mlflow.db", ".py", "socket:")
# For mlflow.get_last_active_trace_id(), and the current call, which is None after a stream's chunk.
CONTEXT_VARIABLES = frozenset({"last_active_trace_id", "mlflow_litellm_call"})
# Packages with frames in tracebacks, between the caller's and LiteLLM's.
WRAPPERS = ("mlflow_litellm", "wrapt")
