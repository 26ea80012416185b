"""
Send open spans to their old destination, after the program has chosen another.

``mlflow.set_experiment()``, ``set_tracking_uri()``, ``set_destination()``, ``reset()`` and
``disable()`` give MLflow a new tracer provider. MLflow shuts the old one down at once, and every
span that is still open is lost at its end. MLflow also waits until all earlier traces are sent.
Here, a thread shuts the old provider down, after its spans have ended.
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

# The interval at which open spans are checked again.
_LOOK_AGAIN_S = 0.5


def destination_patches() -> list[Patch]:
    """Return the patch of the method that shuts an old tracer provider down, if MLflow has it."""
    provider = mlflow_compat.tracer_provider()
    if provider is None or mlflow_compat.trace_manager() is None:
        return []
    return [Patch(type(provider), mlflow_compat.RETIRE, _retire_later, lambda: True)]


def _retire_later(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    outgoing = instance.get()
    if isinstance(outgoing, TracerProvider):
        with guard("keeping the export of open spans"):
            # The method shuts the current provider down, which is the new one by then.
            retire = partial(wrapped.__func__, SimpleNamespace(get=lambda: outgoing))
            name = "mlflow-litellm-retire"
            threading.Thread(target=_retire, args=(retire,), name=name, daemon=True).start()
            return None
    return wrapped(*args, **kwargs)


def _retire(retire: Callable[[], None]) -> None:
    with guard("shutting an export down"):
        open_traces = mlflow_compat.open_traces()
        while open_traces:
            # Also after the last span has ended: it may not have reached the export yet.
            time.sleep(_LOOK_AGAIN_S)
            open_traces = [each for each in open_traces if _has_open_spans(each)]
        retire()


def _has_open_spans(trace_id: int) -> bool:
    return bool(mlflow_compat.trace_manager().has_open_spans(trace_id))
