"""
Patch functions of modules that LiteLLM imports when it needs them.

LiteLLM has moved some of these modules between versions. Each is patched when it is imported, under
any of its names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import wrapt

from mlflow_litellm._common.patching import Patch, apply_all, holder_of
from mlflow_litellm._instrumentation.decision import should_trace, tracing
from mlflow_litellm._tracing.guard import guard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from mlflow_litellm._common.patching import Wrapper

    # The wrappers by the name of the module, and by the name of the function in the module.
    Wrappers = Mapping[str, Mapping[str, Wrapper]]


class LatePatches:
    """
    The patches of the modules that have been imported so far.

    The process has one instance. It needs no lock: MLflow's lock guards `watch`, and Python imports
    a module once.
    """

    def __init__(self) -> None:
        self._wrappers: Wrappers = {}
        self._patches: list[Patch] = []

    def __iter__(self) -> Iterator[Patch]:
        return iter(self._patches.copy())

    def watch(self, wrappers: Wrappers) -> None:
        """Patch each module when it is imported. Only the first call does something."""
        if not self._wrappers:
            self._wrappers = wrappers
            for name in wrappers:
                wrapt.register_post_import_hook(self._patch, name)

    def _patch(self, module: ModuleType) -> None:
        with guard("patching an imported module"):
            patches = self._new_patches(module)
            self._patches.extend(patches)
            if tracing.is_enabled():
                apply_all(patches)

    def _new_patches(self, module: ModuleType) -> list[Patch]:
        # The module of an old name may be the same object as the module of the new name.
        patched = {(id(patch.holder), patch.name) for patch in self._patches}
        wrappers = self._wrappers.get(module.__name__, {})
        targets = [(*holder_of(module, name), wrapper) for name, wrapper in wrappers.items()]
        return [
            Patch(holder, name, wrapper, should_trace)
            for holder, name, wrapper in targets
            if (id(holder), name) not in patched
        ]


late_patches = LatePatches()
