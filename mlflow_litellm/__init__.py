"""MLflow Tracing for LiteLLM: one line, every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm import _takeover

if TYPE_CHECKING:
    from mlflow_litellm._instrumentation.autolog import autolog
    from mlflow_litellm._tracing.health import Health, health

__all__ = ["Health", "__version__", "autolog", "health"]


def _load_autolog() -> Any:
    from mlflow_litellm._instrumentation.autolog import autolog

    return autolog


_takeover.install(_load_autolog)


def __getattr__(name: str) -> Any:
    # Lazy: MLflow loads this package while MLflow itself is only half imported.
    if name == "autolog":
        return _load_autolog()
    if name in {"Health", "health"}:
        from mlflow_litellm._tracing import health as health_module

        return getattr(health_module, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("mlflow_litellm")
    msg = f"module {__name__!r} has no attribute {name!r}"
    if name in {"proxy", "handler"}:
        # LiteLLM Proxy looks its callbacks up in this way.
        msg += "; the callback of LiteLLM Proxy is mlflow_litellm.proxy.handler"
    raise AttributeError(msg)
