"""Keep MLflow's own ``autolog`` of ``mlflow.litellm`` while this package replaces it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

MODULE = "mlflow.litellm"
_KEPT_AS = "_builtin_autolog"


def keep(flavor: ModuleType) -> None:
    """Keep the ``autolog`` of MLflow's module, before it is replaced."""
    setattr(flavor, _KEPT_AS, flavor.autolog)


def builtin_autolog() -> Any:
    """Return the ``autolog`` that MLflow ships in ``mlflow.litellm``."""
    flavor = sys.modules[MODULE]
    return vars(flavor).get(_KEPT_AS, flavor.autolog)
