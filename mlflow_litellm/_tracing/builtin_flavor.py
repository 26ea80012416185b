"""
MLflow's own flavor of LiteLLM, while this package replaces its ``autolog``.

MLflow imports this module while MLflow itself is only half imported: it must not import mlflow at
load.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

FLAVOR = "litellm"
MODULE = f"mlflow.{FLAVOR}"
_KEPT_AS = "_builtin_autolog"


def keep(flavor: ModuleType) -> None:
    """Keep the ``autolog`` of MLflow's module, before it is replaced."""
    setattr(flavor, _KEPT_AS, flavor.autolog)


def builtin_autolog() -> Any:
    """Return the ``autolog`` that MLflow ships in ``mlflow.litellm``."""
    flavor = sys.modules[MODULE]
    return vars(flavor).get(_KEPT_AS, flavor.autolog)


class BuiltinFlavor:
    """
    The switch of MLflow's own flavor, which is off while this package traces.

    The process has one instance, which MLflow's lock guards.
    """

    def __init__(self) -> None:
        # The configuration of the flavor, if it was on when this package began to trace.
        self._config: dict[str, Any] | None = None

    def remember(self) -> None:
        """Remember the configuration if the flavor is on: this package's is about to replace it."""
        config = _configuration()
        if _is_enabled(config):
            self._config = {key: config[key] for key in ("log_traces", "disable", "silent")}

    def disable(self) -> None:
        """Switch the flavor off, if it is on."""
        if _is_enabled(_configuration()):
            builtin_autolog()(disable=True)

    def restore(self) -> None:
        """Switch the flavor on, if it was on before."""
        if self._config is not None:
            config, self._config = self._config, None
            builtin_autolog()(**config)


builtin = BuiltinFlavor()


def _configuration() -> dict[str, Any]:
    from mlflow_litellm._tracing import mlflow_compat

    return mlflow_compat.flavor_configurations().get(FLAVOR) or {}


def _is_enabled(config: dict[str, Any]) -> bool:
    return config.get("disable") is False and bool(config.get("log_traces"))
