"""Measures a process's memory, threads, file handles, and objects of tracing."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from litellm import CustomStreamWrapper
from mlflow.entities import LiveSpan
from mlflow.tracing.trace_manager import InMemoryTraceManager
from processes import resident_kb

from mlflow_litellm._instrumentation.context import CallContext
from mlflow_litellm._instrumentation.stream import _Stream
from mlflow_litellm._instrumentation.stream_state import StreamRecord
from mlflow_litellm._instrumentation.wrapper import Call
from mlflow_litellm._tracing.span import CallSpan

# Types whose objects are deleted when a call has ended.
ENDED = (CustomStreamWrapper, LiveSpan, StreamRecord, Call, _Stream)
# LiteLLM starts tasks within a call and keeps one for each event loop, with their context.
KEPT = (CallSpan, CallContext)


@dataclass
class Footprint:
    """
    The resources of a process.

    Attributes:
        rss_kb: Its resident memory, in KiB, after free memory was returned.
        threads: The names of its threads.
        handles: The targets of its file handles.
        ended: Number of objects of each type that is deleted with its call.
        kept: The same for types with a few objects in LiteLLM's own tasks.
        traces: Number of traces in MLflow's memory.
    """

    rss_kb: int
    threads: list[str]
    handles: list[str]
    ended: dict[str, int]
    kept: dict[str, int]
    traces: int


def footprint() -> Footprint:
    """Return the current resources of this process."""
    ended, kept = alive(ENDED), alive(KEPT)
    with contextlib.suppress(AttributeError):
        # Return free memory to the system, if the C library supports this.
        ctypes.CDLL(None).malloc_trim(0)
    threads = sorted(thread.name for thread in threading.enumerate())
    return Footprint(resident_kb(), threads, _handles(), ended, kept, traces())


def alive(kinds: tuple[type, ...]) -> dict[str, int]:
    """Collect garbage, and count the remaining objects of these types."""
    gc.collect()
    # By type(), as a proxy object passes isinstance() as a stream.
    found = Counter(type(held) for held in gc.get_objects())
    return {kind.__name__: count for kind, count in found.items() if issubclass(kind, kinds)}


def traces() -> int:
    """Return the number of traces in MLflow's memory, which no public name has."""
    manager = vars(InMemoryTraceManager.get_instance())
    return max(len(manager["_traces"]), len(manager["_otel_id_to_mlflow_trace_id"]))


def _handles() -> list[str]:
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        # The handle of this listing is closed by now.
        with contextlib.suppress(FileNotFoundError):
            found.append(str(handle.readlink()))
    return sorted(found)
