"""
Lets spans end in the export that they were started in, after the program has chosen another.

``mlflow.set_experiment()``, ``set_tracking_uri()``, ``set_destination()``, ``reset()`` and
``disable()`` give MLflow a new tracer provider. MLflow shuts the old one down at once, and every
span that is still open is lost as it ends. It also waits there until all that was traced before is
sent. Here the old provider is shut down in a thread, once its spans have ended.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider

from mlflow_litellm._common.patching import Patch
from mlflow_litellm._tracing import mlflow_compat
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable

# How long to wait for open spans, before looking again.
_LOOK_AGAIN_S = 0.5


def destination_patches() -> list[Patch]:
    """Return the patch of what shuts MLflow's old tracer provider down; early MLflow has none."""
    provider = mlflow_compat.tracer_provider()
    if provider is None or mlflow_compat.trace_manager() is None:
        return []
    return [Patch(type(provider), mlflow_compat.RETIRE, _retire_later, lambda: True)]


def _retire_later(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    outgoing = instance.get()
    if isinstance(outgoing, TracerProvider):
        with guard("leaving open spans their export"):
            # MLflow asks for the current provider, which is another by then.
            retire = partial(wrapped.__func__, SimpleNamespace(get=lambda: outgoing))
            name = "mlflow-litellm-retire"
            threading.Thread(target=_retire, args=(retire,), name=name, daemon=True).start()
            return None
    return wrapped(*args, **kwargs)


def _retire(retire: Callable[[], None]) -> None:
    with guard("shutting an export down"):
        open_traces = mlflow_compat.open_traces()
        while open_traces:
            # Also after the last has ended, as it may be on its way to the export.
            time.sleep(_LOOK_AGAIN_S)
            open_traces = [each for each in open_traces if _has_open_spans(each)]
        retire()


def _has_open_spans(trace_id: int) -> bool:
    return bool(mlflow_compat.trace_manager().has_open_spans(trace_id))
