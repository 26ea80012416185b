"""
Replaces ``mlflow.litellm.autolog`` with this package's as soon as ``mlflow.litellm`` is loaded.

MLflow has no plugin group for autologging flavors. But MLflow loads every entry point of the group
``mlflow.run_context_provider`` while it is being imported
(https://mlflow.org/docs/latest/ml/plugins/), so users only install this package.
MLflow is then half imported: this module must not import mlflow, litellm, or wrapt (5 ms) at load.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common.switches import switch
from mlflow_litellm._tracing import builtin_flavor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

SWITCH = "MLFLOW_LITELLM_TAKEOVER"


def install(load: Callable[[], Any]) -> None:
    """
    Replace ``mlflow.litellm.autolog``, now or when ``mlflow.litellm`` is imported.

    Does nothing if the environment variable ``MLFLOW_LITELLM_TAKEOVER`` is ``false``:
    ``mlflow.litellm.autolog`` then stays MLflow's own; ``mlflow_litellm.autolog`` is this
    package's in both cases. Idempotent.

    Args:
        load: Imports this package's ``autolog`` and returns it.
    """
    if not switch(SWITCH, default=True, unknown=True):
        return
    if flavor := sys.modules.get(builtin_flavor.MODULE):
        _take_over(flavor, load)
    if not any(isinstance(finder, _FlavorFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _FlavorFinder(load))


class _FlavorFinder:
    """Finds ``mlflow.litellm`` as Python does, and replaces its ``autolog`` after it has run."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != builtin_flavor.MODULE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            _take_over_after(spec.loader, self._load)
        return spec


def _take_over_after(loader: Loader, load: Callable[[], Any]) -> None:
    """Make a loader, which loads only ``mlflow.litellm``, replace ``autolog`` after it has run."""
    exec_module = loader.exec_module

    def exec_and_take_over(module: ModuleType) -> None:
        exec_module(module)
        _take_over(module, load)

    loader.exec_module = exec_and_take_over  # type: ignore[method-assign]


def _take_over(flavor: ModuleType, load: Callable[[], Any]) -> None:
    from mlflow_litellm._tracing.guard import guard

    with guard("taking over mlflow.litellm.autolog"):
        autolog = load()
        if flavor.autolog is autolog:
            return
        if flavor.autolog.__module__ == autolog.__module__:
            # This package was imported again: only its old modules know their patches.
            flavor.autolog(disable=True)
        else:
            builtin_flavor.keep(flavor)
        flavor.autolog = autolog  # type: ignore[attr-defined]


class RunContextProvider:
    """The run context provider that MLflow's plugin group needs; never in context."""

    def in_context(self) -> bool:
        """Return False: this provider has no run tags."""
        return False

    def tags(self) -> dict[str, str]:
        """Return no tags."""
        return {}
