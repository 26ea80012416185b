"""The state before and after a test with LiteLLM: nothing configured, nothing patched."""

from __future__ import annotations

import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import litellm
import mlflow
from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS

from mlflow_litellm._common.patching import holder_of
from mlflow_litellm._instrumentation.decision import tracing
from mlflow_litellm._instrumentation.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

litellm.suppress_debug_info = True
logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


def _patched_names() -> list[object]:
    holders = [holder_of(litellm, target.name) for target in TARGETS]
    targets = [vars(holder).get(name) for holder, name in holders]
    core, _ = holder_of(litellm, "Router.completion")
    routers = [*vars(litellm.Router).values(), *vars(core).values()]
    return [*targets, *routers, ThreadPoolExecutor.submit]


class _Traced(NamedTuple):
    """Tracing as `switch_on` left it: MLflow makes a new configuration at each switch."""

    configuration: object
    names: list[object]

    def is_unchanged(self) -> bool:
        same = self.configuration is AUTOLOGGING_INTEGRATIONS["litellm"]
        return same and _are_same(self.names, _patched_names())


_untraced: list[object] = []
_traced: _Traced | None = None


def _are_same(names: list[object], others: list[object]) -> bool:
    # A wrapper is equal to the object that it wraps.
    return list(map(id, names)) == list(map(id, others))


def switch_on() -> None:
    """Switch tracing on, unless the test before left it on."""
    global _traced
    if _traced is None:
        mlflow.litellm.autolog()
        _traced = _Traced(AUTOLOGGING_INTEGRATIONS["litellm"], _patched_names())


def _switch_off() -> None:
    global _traced
    _traced = None
    if tracing.is_enabled():
        mlflow.litellm.autolog(disable=True)
    assert _are_same(_untraced, _patched_names())


@contextmanager
def clean(*, next_is_traced: bool) -> Iterator[None]:
    """
    Begin with nothing configured; fail if a span is left current, or LiteLLM changed.

    Garbage is collected only between tests. LiteLLM leaves unfinished streams to the collector, and
    httpcore waits for itself for ever if one is collected while it holds its pool's lock.

    Args:
        next_is_traced: Whether tracing that `switch_on` switched on, and that the test did not
            change, stays on for the next test: off and on again is a third of a short test.
    """
    global _untraced
    gc.disable()
    if _traced is None:
        AUTOLOGGING_INTEGRATIONS["litellm"] = {}
        _untraced = _patched_names()
    yield
    if not (next_is_traced and _traced and _traced.is_unchanged()):
        _switch_off()
    assert mlflow.get_current_active_span() is None
    gc.enable()
    gc.collect()
    # Objects that outlive this test are skipped after the next: checking all takes 0.3 s.
    gc.freeze()
