"""The state before and after a test with LiteLLM: nothing configured, nothing patched."""

from __future__ import annotations

import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import litellm
import mlflow
from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS

from mlflow_litellm._common.patching import holder_of
from mlflow_litellm._instrumentation import state
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


@contextmanager
def clean_slate() -> Iterator[None]:
    """
    Begin with nothing configured; fail if a span is left current, or LiteLLM changed.

    Garbage is collected only between tests. LiteLLM leaves unfinished streams to the collector, and
    httpcore waits for itself for ever if one is collected while it holds its pool's lock.
    """
    gc.disable()
    AUTOLOGGING_INTEGRATIONS["litellm"] = {}
    before = _patched_names()
    yield
    if state.is_enabled():
        mlflow.litellm.autolog(disable=True)
    assert before == _patched_names()
    assert mlflow.get_current_active_span() is None
    gc.enable()
    gc.collect()
    # Objects that outlive this test are skipped after the next: checking all takes 0.3 s.
    gc.freeze()
