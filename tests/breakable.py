"""Finds what of MLflow's tracing a call is traced with, and breaks it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import LiveSpan, SpanEvent
from mlflow.tracing.provider import detach_span_from_context

import mlflow_litellm

if TYPE_CHECKING:
    from collections.abc import Iterator

# What runs before calls, or by itself.
ELSEWHERE = {"__main__", "_autolog", "_demo", "_doctor", "_report", "proxy"}


def _rooms() -> Iterator[Any]:
    """Return the modules that a call may pass through."""
    for found in pkgutil.iter_modules(mlflow_litellm.__path__):
        if found.name not in ELSEWHERE:
            yield importlib.import_module(f"mlflow_litellm.{found.name}")


def _called(room: Any) -> Iterator[tuple[Any, str]]:
    """Return what functions of MLflow's a module has, and those that it reaches through mlflow."""
    for name, value in vars(room).items():
        if inspect.isfunction(value) and value.__module__.startswith("mlflow."):
            yield room, name
    for name in re.findall(r"\bmlflow\.(\w+)\(", inspect.getsource(room)):
        if inspect.isfunction(getattr(mlflow, name, None)):
            yield mlflow, name


def _breakable() -> dict[str, tuple[Any, str]]:
    """Return all that may break: found by looking, so that what is new is broken as well."""
    of_spans = {name for name, _ in inspect.getmembers(LiveSpan) if not name.startswith("_")}
    functions = [found for room in _rooms() for found in _called(room)]
    return {
        **{f"{holder.__name__}.{name}": (holder, name) for holder, name in functions},
        **{f"span.{name}": (LiveSpan, name) for name in sorted(of_spans)},
        "SpanEvent": (SpanEvent, "__init__"),
    }


BREAKABLE = _breakable()


def raising(what: str, error: BaseException) -> Any:
    """Return what raises `error` in the place of a function, a method, or a property."""

    def broken(*_: Any, **__: Any) -> Any:
        raise error

    def detached_and_broken(token: Any) -> None:
        # After the deed: nobody could take the span out of the context otherwise.
        detach_span_from_context(token)
        raise error

    holder, name = BREAKABLE[what]
    if name == "detach_span_from_context":
        return detached_and_broken
    kind = inspect.getattr_static(holder, name)
    return property(broken) if isinstance(kind, property) else broken
