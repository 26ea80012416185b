"""Switch tracing on and off: store the configuration, and apply or revert all patches."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
from typing import TYPE_CHECKING, ParamSpec

from mlflow_litellm._common import interruptions
from mlflow_litellm._common.patching import Patch, apply_all, holder_of, revert_all
from mlflow_litellm._instrumentation import router, shutdown, threads
from mlflow_litellm._instrumentation.builtin_callback import removed_callbacks
from mlflow_litellm._instrumentation.decision import should_trace, tracing
from mlflow_litellm._instrumentation.guardrails import GUARDRAIL_WRAPPERS
from mlflow_litellm._instrumentation.late_targets import late_patches
from mlflow_litellm._instrumentation.mcp import MCP_WRAPPERS
from mlflow_litellm._instrumentation.notebook import notebook
from mlflow_litellm._instrumentation.targets import TARGETS
from mlflow_litellm._instrumentation.wrapper import wrapper_for
from mlflow_litellm._tracing import (
    fork,
    ids,
    losses,
    mlflow_compat,
    semconv,
    trace_destination,
)
from mlflow_litellm._tracing.builtin_flavor import FLAVOR, MODULE, builtin
from mlflow_litellm._tracing.export import export_patches
from mlflow_litellm._tracing.export_stats import stats
from mlflow_litellm._tracing.guard import logger
from mlflow_litellm._tracing.privacy import content_switch
from mlflow_litellm._tracing.store import opening

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from mlflow_litellm._instrumentation.target import Target

P = ParamSpec("P")

if tracing.is_enabled() and "autolog" in globals():
    # The module is reloaded, as notebooks do after a change. The functions are patched already, and
    # would be patched a second time.
    globals()["autolog"](disable=True)


def _with_suggestions(function: Callable[P, None]) -> Callable[P, None]:
    """Return a function that names the nearest argument, if an argument does not exist."""
    known = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> None:
        for name in kwargs.keys() - known:
            [nearest] = difflib.get_close_matches(name, known, n=1) or [""]
            hint = f"did you mean {nearest}?" if nearest else f"there are {', '.join(known)}"
            msg = f"autolog() has no argument {name}; {hint}"
            raise TypeError(msg)
        function(*args, **kwargs)

    return checked


@_with_suggestions
def autolog(
    log_traces: bool = True,
    disable: bool = False,
    silent: bool = False,
    log_content: bool | None = None,
) -> None:
    """
    Trace every LiteLLM call into MLflow, or stop tracing.

    Each call has one span: a child of the active span, or the root of a new trace. If a call
    makes calls of its own, as Router's do, each of these has a child span. Patches LiteLLM's public
    functions, and rebinds names that loaded modules have imported from ``litellm``. Is idempotent
    and thread-safe. If this package is installed, it is ``mlflow.litellm.autolog``;
    ``mlflow.autolog()`` calls it, and ``mlflow.autolog(disable=True)`` stops the tracing.

    Args:
        log_traces: If False, nothing is traced and LiteLLM's functions stay unpatched.
        disable: If True, stop tracing: each patched name is its original object again.
        silent: If True, this package logs nothing, no warnings either.
        log_content: If False, record no messages, outputs, tools, metadata and texts of
            exceptions; tokens, cost, timing, model and status stay. If None, the last value
            stays until tracing is disabled; without a last value, the environment variable
            ``MLFLOW_LITELLM_LOG_CONTENT`` decides; if it is not set, content is recorded.

    Raises:
        ImportError: LiteLLM cannot be imported.
        TypeError: An argument does not exist, or is neither True nor False; ``log_content`` may be
            None.
    """
    _check_types(log_traces=log_traces, disable=disable, silent=silent)
    _check_types(**({} if log_content is None else {"log_content": log_content}))
    # The import resets MLflow's configuration of the flavor, so it comes first.
    importlib.import_module(MODULE)
    if log_traces and not disable:
        # Before any lock is taken: another thread may be importing LiteLLM.
        importlib.import_module("litellm")
    _switch(log_traces=log_traces, disable=disable, silent=silent, log_content=log_content)


def _check_types(**arguments: object) -> None:
    # The string "false" is true in Python, and would let content into the trace.
    for name, value in arguments.items():
        if not isinstance(value, bool):
            msg = f"autolog({name}={value!r}): {name} must be True or False"
            raise TypeError(msg)


# mlflow.autolog() looks the configuration up by this name.
autolog.integration_name = FLAVOR  # type: ignore[attr-defined]


# The decorator below clears MLflow's entry for the flavor, which may be on.
_before = mlflow_compat.flavor_configurations().get(FLAVOR)


@mlflow_compat.configured_by(FLAVOR)
def _configure(
    log_traces: bool,
    disable: bool = False,
    silent: bool = False,
    log_content: bool | None = None,
) -> None:
    """Let MLflow store the configuration, and revert the patches of its built-in flavor."""


if _before:
    mlflow_compat.flavor_configurations()[FLAVOR] = _before


class _Patches:
    """
    All patches, applied or not. The process has one instance, which MLflow's lock guards.

    Attributes:
        litellm: The patched module; None before tracing was on.
        targets: The patches of LiteLLM's functions.
    """

    def __init__(self) -> None:
        self.litellm: ModuleType | None = None
        self.targets: list[Patch] = []
        # Of internals of LiteLLM and Python; they give inner calls the right parent.
        self._inner: list[Patch] = []
        # Of MLflow. No module imports these functions from LiteLLM, so no aliases are searched.
        self._export: list[Patch] = []
        self._missing: set[str] = set()

    def apply(self, litellm: ModuleType) -> None:
        """Patch LiteLLM and MLflow."""
        if self.litellm is not litellm:
            # A second time only if LiteLLM was imported anew.
            self.revert()
            self._make(litellm)
        late_patches.watch({**MCP_WRAPPERS, **GUARDRAIL_WRAPPERS})
        apply_all([*self.targets, *self._inner, *late_patches])
        for patch in self._export:
            patch.apply()
        self._warn_of_missing()

    def revert(self) -> None:
        """Put all originals back."""
        revert_all([*self.targets, *self._inner, *late_patches])
        for patch in self._export:
            patch.revert()

    def _make(self, litellm: ModuleType) -> None:
        self.litellm = litellm
        self.targets = [_patch(litellm, target) for target in TARGETS]
        targets = list(zip(TARGETS, self.targets, strict=True))
        self._inner = [*router.router_patches(litellm, targets), threads.submit_patch()]
        self._export = [
            *semconv.semconv_patches(),
            *export_patches(),
            *ids.id_patches(),
            *opening.opening_patches(),
            *trace_destination.destination_patches(),
        ]

    def _warn_of_missing(self) -> None:
        # Only `doctor` lists functions that this version of LiteLLM does not have yet.
        needed = (patch for patch in self.targets if patch.name in {"completion", "acompletion"})
        missing = {patch.full_name for patch in needed if patch.current is None} - self._missing
        if missing:
            self._missing |= missing
            logger.warning(
                "%s: not in this version of LiteLLM, so not traced. Everything else is.",
                ", ".join(sorted(missing)),
            )


_patches = _Patches()


def target_patches() -> list[Patch]:
    """Return the patches of LiteLLM's functions, applied or not; empty before tracing was on."""
    return list(_patches.targets)


# Only MLflow's lock: mlflow.autolog() holds it while it calls autolog().
@mlflow_compat.locked
def _switch(*, log_traces: bool, disable: bool, silent: bool, log_content: bool | None) -> None:
    wanted = log_traces and not disable
    if not tracing.is_enabled():
        if wanted:
            builtin.remember()
        else:
            builtin.disable()
    _configure(log_traces=log_traces, disable=disable, silent=silent, log_content=log_content)
    logger.disabled = silent
    if wanted:
        # Otherwise mlflow.autolog(disable=True) would skip a flavor that was switched on by name.
        mlflow_compat.mark_configured(FLAVOR)
        content_switch.choose(log_content)
        _enable(sys.modules["litellm"])
    else:
        content_switch.reset()
        _disable()


def _enable(litellm: ModuleType) -> None:
    _patches.apply(litellm)
    stats.watch()
    removed_callbacks.remove(litellm)
    ids.isolate()
    notebook.attach()
    # Before the filter that keeps MLflow from logging: no filter after that one is called.
    interruptions.attach()
    losses.attach()
    fork.attach()
    shutdown.attach()
    tracing.switch(on=True)


def _disable() -> None:
    tracing.switch(on=False)
    # Before the patches are reverted: they count the traces that were sent.
    stats.stop()
    # Also if tracing was off: a wrapper that another one covered then may be the outermost now.
    _patches.revert()
    notebook.detach()
    interruptions.detach()
    losses.detach()
    if _patches.litellm is not None:
        removed_callbacks.restore(_patches.litellm)
    builtin.restore()


def _patch(litellm: ModuleType, target: Target) -> Patch:
    if target.name.startswith(router.PREFIX):
        return router.router_patch(litellm, target)
    holder, name = holder_of(litellm, target.name)
    return Patch(holder, name, wrapper_for(target, vars(holder).get(name)), should_trace)
