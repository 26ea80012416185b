"""Finds the MLflow tracing functions that a traced call uses, and breaks them."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import LiveSpan, SpanEvent
from mlflow.tracing.provider import detach_span_from_context

import mlflow_litellm
from mlflow_litellm._tracing import mlflow_compat

if TYPE_CHECKING:
    from collections.abc import Iterator

# Modules that run before calls, or on their own.
ELSEWHERE = ("__main__", "_cli", "_instrumentation.autolog", "proxy")
SWITCHING = "mlflow.utils.autologging_utils"


def _modules() -> Iterator[Any]:
    """Yield the modules that a call may pass through."""
    root = Path(mlflow_litellm.__path__[0])
    # Not pkgutil.walk_packages(), which imports the proxy's handler, and so switches tracing on.
    for file in sorted(root.rglob("*.py")):
        name = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith((*ELSEWHERE, "__init__")):
            yield importlib.import_module(f"mlflow_litellm.{name}")


def _called(module: Any) -> Iterator[tuple[Any, str]]:
    """Yield the MLflow functions that a module imports, or reaches through mlflow."""
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__.startswith("mlflow."):
            yield module, name
    for name in re.findall(r"\bmlflow\.(\w+)\(", inspect.getsource(module)):
        if inspect.isfunction(getattr(mlflow, name, None)):
            yield mlflow, name


def _looked_up() -> Iterator[tuple[Any, str]]:
    """Yield the MLflow functions without a public name."""
    for name in mlflow_compat.NAMES:
        if name.module != SWITCHING and inspect.isfunction(name.find()):
            yield importlib.import_module(name.module), name.attribute


def _breakable() -> dict[str, tuple[Any, str]]:
    """Return all breakable functions: searched for, so that new ones are included."""
    of_spans = {name for name, _ in inspect.getmembers(LiveSpan) if not name.startswith("_")}
    called = [found for module in _modules() for found in _called(module)]
    functions = [*called, *_looked_up()]
    return {
        **{f"{holder.__name__}.{name}": (holder, name) for holder, name in functions},
        **{f"span.{name}": (LiveSpan, name) for name in sorted(of_spans)},
        "SpanEvent": (SpanEvent, "__init__"),
    }


BREAKABLE = _breakable()


def raising(what: str, error: BaseException) -> Any:
    """Return an object that raises `error` in place of a function, a method, or a property."""

    def broken(*_: Any, **__: Any) -> Any:
        raise error

    def detached_and_broken(token: Any) -> None:
        # After the real work: otherwise nobody could remove the span from the context.
        detach_span_from_context(token)
        raise error

    holder, name = BREAKABLE[what]
    if name == "detach_span_from_context":
        return detached_and_broken
    kind = inspect.getattr_static(holder, name)
    return property(broken) if isinstance(kind, property) else broken
