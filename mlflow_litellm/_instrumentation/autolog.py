"""Switch tracing on and off: store the configuration, and apply or revert all patches."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from mlflow_litellm._common import interruptions
from mlflow_litellm._common.patching import Patch, apply_all, holder_of, revert_all
from mlflow_litellm._instrumentation import (
    builtin_callback,
    late_targets,
    notebook,
    router,
    shutdown,
    state,
    threads,
)
from mlflow_litellm._instrumentation.callers import is_mlflows_own
from mlflow_litellm._instrumentation.targets import TARGETS
from mlflow_litellm._instrumentation.wrapper import wrapper_for
from mlflow_litellm._tracing import (
    builtin_flavor,
    export_stats,
    fork,
    health,
    ids,
    losses,
    mlflow_compat,
    privacy,
    trace_destination,
)
from mlflow_litellm._tracing.guard import guard, logger
from mlflow_litellm._tracing.health import Reason
from mlflow_litellm._tracing.semconv import export
from mlflow_litellm._tracing.store import opening

if TYPE_CHECKING:
    from types import ModuleType

    from mlflow_litellm._instrumentation.target import Target

FLAVOR = "litellm"

if state.is_enabled() and "autolog" in globals():
    # The module is reloaded, as notebooks do after a change. The functions are patched already, and
    # would be patched a second time.
    globals()["autolog"](disable=True)

_patched: ModuleType | None = None
_patches: list[Patch] = []
# Patches of internals of LiteLLM and Python, which give inner calls the right parent.
_inner_patches: list[Patch] = []
# Patches of MLflow. No module imports these functions from LiteLLM, so no aliases are searched.
_export_patches: list[Patch] = []
_warned_missing: set[str] = set()
# The configuration of MLflow's built-in flavor, if it was on when this one was switched on.
_builtin_config: dict[str, Any] | None = None


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
        TypeError: An argument is neither True nor False; ``log_content`` may be None.
    """
    _check_types(log_traces=log_traces, disable=disable, silent=silent)
    _check_types(**({} if log_content is None else {"log_content": log_content}))
    # The import resets MLflow's configuration of the flavor, so it comes first.
    importlib.import_module(builtin_flavor.MODULE)
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


def target_patches() -> list[Patch]:
    """Return the patches of LiteLLM's functions, applied or not; empty before tracing was on."""
    return list(_patches)


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


# Only MLflow's lock: mlflow.autolog() holds it while it calls autolog().
@mlflow_compat.locked
def _switch(*, log_traces: bool, disable: bool, silent: bool, log_content: bool | None) -> None:
    wanted = log_traces and not disable
    if wanted:
        _remember_builtin()
    elif not state.is_enabled() and _builtin_is_on():
        builtin_flavor.builtin_autolog()(disable=True)
    _configure(log_traces=log_traces, disable=disable, silent=silent, log_content=log_content)
    logger.disabled = silent
    if wanted:
        # Otherwise mlflow.autolog(disable=True) would skip a flavor that was switched on by name.
        mlflow_compat.mark_configured(FLAVOR)
        privacy.choose(log_content)
        _enable(sys.modules["litellm"])
    else:
        privacy.reset()
        _disable()


def _enable(litellm: ModuleType) -> None:
    global _patched
    if _patched is not litellm:
        # A second time only if LiteLLM was imported anew.
        _revert()
        _patched = litellm
        _patches[:] = [_patch(litellm, target) for target in TARGETS]
        targets = list(zip(TARGETS, _patches, strict=True))
        _inner_patches[:] = [
            *router.router_patches(litellm, targets, _trace_next),
            threads.submit_patch(),
        ]
        _export_patches[:] = [
            *export.semconv_patches(),
            *export_stats.export_patches(),
            *ids.id_patches(),
            *opening.opening_patches(),
            *trace_destination.destination_patches(),
        ]
    late_targets.watch(_trace_next, state.is_enabled)
    apply_all([*_patches, *_inner_patches, *late_targets.late_patches()])
    for patch in _export_patches:
        patch.apply()
    export_stats.watch()
    _warn_of_missing()
    builtin_callback.take_out(litellm)
    ids.isolate()
    notebook.attach()
    # Before the filter that keeps MLflow from logging: no filter after that one is called.
    interruptions.attach()
    losses.attach()
    fork.attach()
    shutdown.attach()
    state.switch(on=True)


def _patch(litellm: ModuleType, target: Target) -> Patch:
    if target.name.startswith(router.PREFIX):
        return router.router_patch(litellm, target, _trace_next)
    holder, name = holder_of(litellm, target.name)
    return Patch(holder, name, wrapper_for(target, vars(holder).get(name)), _trace_next)


def _disable() -> None:
    global _builtin_config
    state.switch(on=False)
    # Before the patches are reverted: they count the traces that were sent.
    export_stats.reset()
    # Also if tracing was off: a wrapper that another one covered then may be the outermost now.
    _revert()
    notebook.detach()
    interruptions.detach()
    losses.detach()
    if _patched is not None:
        builtin_callback.put_back(_patched)
    if _builtin_config is not None:
        config, _builtin_config = _builtin_config, None
        builtin_flavor.builtin_autolog()(**config)


def _revert() -> None:
    revert_all([*_patches, *_inner_patches, *late_targets.late_patches()])
    for patch in _export_patches:
        patch.revert()


def _trace_next() -> bool:
    """Return whether to trace the call; called at each call. Takes MLflow's callback out."""
    if not state.is_enabled():
        health.count_not_traced(Reason.OFF)
        return False
    with guard("taking MLflow's callback out of LiteLLM's lists"):
        builtin_callback.take_out(sys.modules["litellm"])
    if is_mlflows_own():
        health.count_not_traced(Reason.BY_MLFLOW)
        return False
    return True


def _remember_builtin() -> None:
    global _builtin_config
    if not state.is_enabled() and _builtin_is_on():
        config = mlflow_compat.flavor_configurations()[FLAVOR]
        _builtin_config = {key: config[key] for key in ("log_traces", "disable", "silent")}


def _builtin_is_on() -> bool:
    config = mlflow_compat.flavor_configurations().get(FLAVOR) or {}
    return config.get("disable") is False and bool(config.get("log_traces"))


def _warn_of_missing() -> None:
    # Only `doctor` lists functions that this version of LiteLLM does not have yet.
    needed = (patch for patch in _patches if patch.name in {"completion", "acompletion"})
    missing = {patch.full_name for patch in needed if patch.current is None} - _warned_missing
    if missing:
        _warned_missing.update(missing)
        logger.warning(
            "%s: not in this version of LiteLLM, so not traced. Everything else is.",
            ", ".join(sorted(missing)),
        )
