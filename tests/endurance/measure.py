"""Measures what a process holds: memory, threads, file handles, and objects of tracing."""

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

# What is gone when a call has ended.
ENDED = (CustomStreamWrapper, LiveSpan, StreamRecord, Call, _Stream)
# Tasks that LiteLLM starts within a call and keeps, one an event loop, keep its context.
KEPT = (CallSpan, CallContext)


@dataclass
class Footprint:
    """
    What a process holds.

    Attributes:
        rss_kb: Its resident memory, in KiB, with what is free given back.
        threads: The names of its threads.
        handles: What its file handles lead to.
        ended: How many objects there are of each type that is gone with its call.
        kept: The same, of types of which LiteLLM's own tasks hold a few.
        traces: How many traces MLflow holds in memory.
    """

    rss_kb: int
    threads: list[str]
    handles: list[str]
    ended: dict[str, int]
    kept: dict[str, int]
    traces: int


def footprint() -> Footprint:
    """Return what this process holds."""
    ended, kept = alive(ENDED), alive(KEPT)
    with contextlib.suppress(AttributeError):
        # Where the C library has it: memory that is free, but was not given back.
        ctypes.CDLL(None).malloc_trim(0)
    threads = sorted(thread.name for thread in threading.enumerate())
    return Footprint(resident_kb(), threads, _handles(), ended, kept, traces())


def alive(kinds: tuple[type, ...]) -> dict[str, int]:
    """Collect garbage, and count what is left of these types."""
    gc.collect()
    # By type(): a proxy tells isinstance() that it is a stream.
    found = Counter(type(held) for held in gc.get_objects())
    return {kind.__name__: count for kind, count in found.items() if issubclass(kind, kinds)}


def traces() -> int:
    """Return how many traces MLflow holds in memory, which it tells by no public name."""
    manager = vars(InMemoryTraceManager.get_instance())
    return max(len(manager["_traces"]), len(manager["_otel_id_to_mlflow_trace_id"]))


def _handles() -> list[str]:
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        # The handle of this very listing is gone by now.
        with contextlib.suppress(FileNotFoundError):
            found.append(str(handle.readlink()))
    return sorted(found)
