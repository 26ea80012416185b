"""The doctor: checks whether calls are traced, names the store, and gives a remedy for faults."""

from __future__ import annotations

import functools
import importlib
import os
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow_litellm import _takeover
from mlflow_litellm._cli import report, sending, store, versions
from mlflow_litellm._cli.report import Finding
from mlflow_litellm._cli.terminal import Segment
from mlflow_litellm._common.switches import switch
from mlflow_litellm._instrumentation import builtin_callback
from mlflow_litellm._tracing.store.errors import ProblemError, one_line, store_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlflow_litellm._cli.terminal import Terminal
    from mlflow_litellm._common.patching import Patch

OTEL_OFF = "OTEL_SDK_DISABLED"
# The first one of these that is set names the collector.
COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
NOT_SENT = "No problem was found. No trace was sent: add --send to test that one arrives."
WELL = "Calls are traced. To see some: python -m mlflow_litellm demo"
ILL = "Calls are not traced as they should be. The remedy follows each FAIL."


def run(terminal: Terminal, tracking_uri: str | None, send: bool) -> int:
    """
    Print the findings, and return the exit status: 1 if calls would not be traced, else 0.

    Args:
        terminal: The output.
        tracking_uri: The store of the traces, or None for MLflow's current tracking URI.
        send: Whether to send a trace.
    """
    terminal.line(Segment("Looked at:", "bold"))
    failures = _write(terminal, versions.examine())
    with terminal.status(report.LOADING):
        broken = list(_imports())
    failures += _write(terminal, broken)
    if not broken:
        failures += _write(terminal, look(tracking_uri))
        terminal.line()
        terminal.line(Segment("Tested:", "bold"))
        failures += _write(terminal, test())
        if send:
            failures += _write(terminal, [sending.NOT_SENT] if failures else sending.send())
    terminal.line()
    terminal.paragraph(ILL if failures else WELL if send else NOT_SENT, "bold")
    return 1 if failures else 0


def _write(terminal: Terminal, findings: Iterable[Finding]) -> int:
    """Write findings as they come, and return the number of failures."""
    failures = 0
    for finding in findings:
        report.write(terminal, finding)
        failures += finding.mark == "FAIL"
    return failures


def _imports() -> Iterator[Finding]:
    """Import MLflow and LiteLLM, and yield a finding if that fails."""
    try:
        importlib.import_module("litellm")
        importlib.import_module("mlflow.litellm")
    except Exception as error:  # noqa: BLE001 - an installation can be broken in any way
        reason = f"{type(error).__name__}: {one_line(error, 200)}"
        yield Finding("FAIL", f"MLflow or LiteLLM cannot be imported ({reason})", "reinstall it")


def look(tracking_uri: str | None) -> Iterator[Finding]:
    """Choose the store, and yield the findings about settings, before tracing is switched on."""
    import litellm
    import mlflow

    report.quiet()
    if tracking_uri is not None:
        mlflow.set_tracking_uri(tracking_uri)
    yield _recording()
    yield from list(other_callbacks(litellm)) or [
        Finding("ok", "no other callbacks in LiteLLM's lists")
    ]


def test() -> Iterator[Finding]:
    """Switch tracing on as a user would, and yield the findings."""
    yield from _switch()
    yield from _destination()


def _switch() -> Iterator[Finding]:
    import mlflow.litellm

    from mlflow_litellm._instrumentation import autolog as autolog_module

    if mlflow.litellm.autolog is not autolog_module.autolog:
        yield _not_taken_over(mlflow.litellm.autolog)
        return
    yield Finding("ok", "mlflow.litellm.autolog is this package's")
    # Silent: the findings cover the messages that autolog would log.
    mlflow.litellm.autolog(silent=True)
    patches = autolog_module.target_patches()
    yield from patched(patches)
    yield from _other_wrappers(patches)


def _not_taken_over(autolog: object) -> Finding:
    if not switch(_takeover.SWITCH, default=True, unknown=True):
        value = os.environ[_takeover.SWITCH]
        what = f"mlflow.litellm.autolog is MLflow's own, because {_takeover.SWITCH} is {value}"
        remedy = f"unset {_takeover.SWITCH}, or call mlflow_litellm.autolog() instead"
        return Finding("FAIL", what, remedy)
    what = f"mlflow.litellm.autolog is not this package's but one from {autolog.__module__}"
    remedy = "remove the code that assigned it, or call mlflow_litellm.autolog() instead"
    return Finding("FAIL", what, remedy)


def patched(patches: Iterable[Patch]) -> Iterator[Finding]:
    """Yield the state of each name that is to be patched."""
    names: dict[str, list[str]] = {}
    for patch in patches:
        names.setdefault(_state(patch), []).append(patch.full_name)
    for state, (mark, what, remedy) in STATES.items():
        if state in names:
            listed = f"{len(names[state])} of LiteLLM's functions"
            if mark != "ok":
                listed = _listed(names[state])
            yield Finding(mark, f"{what}: {listed}", remedy)
    if "missing" in names:
        yield _missing(names["missing"])


def _missing(names: list[str]) -> Finding:
    listed = _listed(names)
    if versions.has_newest_litellm():
        what = f"LiteLLM has removed these functions: {listed}"
        return Finding("note", what, "nothing: they cannot be called")
    what = f"not in this version of LiteLLM, so not traced: {listed}"
    return Finding("note", what, "pip install -U litellm, if you call them")


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:SHOWN])} and {more} more"


AGAIN = "call mlflow.litellm.autolog() after the code that did this, if calls are not traced"
# The number of names in a list that may be long.
SHOWN = 5
STATES = {
    "traced": ("ok", "traced", ""),
    "covered": ("note", "covered by something that does not say what it wraps", AGAIN),
    "lost": ("FAIL", "not traced, as something put the original back", AGAIN),
}


def _state(patch: Patch) -> str:
    if patch.current is None:
        return "missing"
    if not patch.applied:
        return "lost"
    return "traced" if any(each is patch.patched for each in _layers(patch.current)) else "covered"


def _other_wrappers(patches: Iterable[Patch]) -> Iterator[Finding]:
    wrappers: dict[str, list[str]] = {}
    for patch in patches:
        for module in wrapped_by(patch.current):
            wrappers.setdefault(module, []).append(patch.full_name)
    for module, names in wrappers.items():
        what = f"{module} wraps {_listed(names)} too"
        yield Finding("note", what, "nothing, unless you want one of the two: both see each call")


def wrapped_by(function: object) -> list[str]:
    """Return the modules whose wrappers are on a function of LiteLLM's, the outermost first."""
    modules = dict.fromkeys(map(_module_of, _layers(function)))
    return [each for each in modules if each.partition(".")[0] not in {"litellm", "mlflow_litellm"}]


def _layers(function: object) -> Iterator[Any]:
    # Bounded: a wrapper may name itself as its wrapped function.
    for _ in range(100):
        if function is None:
            return
        yield function
        function = getattr(function, "__wrapped__", None)


def _module_of(function: object) -> str:
    # Not __module__, which a wrapper copies from the wrapped function.
    wrapper = getattr(function, "_self_wrapper", function)
    while isinstance(wrapper, functools.partial):
        wrapper = wrapper.func
    namespace = getattr(getattr(wrapper, "__func__", wrapper), "__globals__", None)
    return str(namespace["__name__"] if namespace else type(wrapper).__module__)


def _destination() -> Iterator[Finding]:
    from mlflow.environment_variables import MLFLOW_ENABLE_OTLP_EXPORTER

    from mlflow_litellm._tracing.mlflow_compat import exports_to_otlp_only

    name = next(filter(os.environ.get, COLLECTORS), None)
    if name and MLFLOW_ENABLE_OTLP_EXPORTER.get():
        yield _collector(name, os.environ[name])
    if exports_to_otlp_only():
        yield from _unknown_server()
    else:
        yield _destined_store()


def _collector(name: str, endpoint: str) -> Finding:
    try:
        address = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), report.REQUEST_S).close()
    except (OSError, ValueError) as error:
        what = f"the OpenTelemetry collector {endpoint} does not answer ({error})"
        return Finding("FAIL", what, f"start it, or correct or unset {name}")
    return Finding("ok", f"traces go to the OpenTelemetry collector {endpoint}, which answers")


def _unknown_server() -> Iterator[Finding]:
    """Yield the error that keeps MLflow from starting spans: MLflow always looks for a store."""
    import mlflow

    try:
        mlflow.get_tracking_uri()
    except ImportError as error:
        what = f"MLflow starts no span: it looks for a local store, which needs {error.name}"
        remedy = "set MLFLOW_TRACKING_URI; any http:// address will do, as nothing is sent there"
        yield Finding("FAIL", what, remedy)


def _destined_store() -> Finding:
    try:
        destination = store.ask(store.place)
    except ProblemError as problem:
        return Finding("FAIL", problem.what, problem.remedy)
    return Finding("ok", f"traces go to {store_uri()}, {destination}")


def _recording() -> Finding:
    from mlflow.environment_variables import MLFLOW_TRACE_SAMPLING_RATIO
    from mlflow.tracing.provider import is_tracing_enabled

    # A test span would be certain, but it would make MLflow open or create the store.
    if os.environ.get(OTEL_OFF, "").lower() == "true":
        what = f"MLflow records no traces, because {OTEL_OFF} is true"
        return Finding("FAIL", what, f"unset {OTEL_OFF}")
    if not is_tracing_enabled():
        what = "MLflow records no traces, because mlflow.tracing.disable() was called"
        return Finding("FAIL", what, "remove that call, or call mlflow.tracing.enable()")
    sampling = MLFLOW_TRACE_SAMPLING_RATIO.name
    ratio = os.environ.get(sampling, "1")
    if not re.fullmatch(r"\d*\.?\d+|\d+\.", ratio):
        return Finding("FAIL", f"{sampling}={ratio} is not a number", f"unset {sampling}")
    if float(ratio) < 1:
        what = f"a share of {ratio} of all traces is kept, because of {sampling}"
        return Finding("note", what, "unset it to keep all")
    return Finding("ok", "tracing is on in MLflow, for all traces")


def other_callbacks(litellm: object) -> Iterator[Finding]:
    """Yield the entries of LiteLLM's callback lists, before tracing is switched on."""
    callbacks: dict[str, list[str]] = {}
    for name in builtin_callback.LISTS:
        for callback in getattr(litellm, name, None) or ():
            label = "mlflow" if builtin_callback.is_mlflow(callback) else _label(callback)
            callbacks.setdefault(label, []).append(f"litellm.{name}")
    for label, lists in callbacks.items():
        where = ", ".join(lists)
        if label == "mlflow":
            what = f"MLflow's own callback, in {where}, is set aside while this package traces"
            yield Finding("note", what, "nothing; you can remove it for good")
        else:
            what = f"the callback {label}, in {where}, sees calls as well"
            yield Finding("note", what, "nothing; it works beside this package")


def _label(callback: object) -> str:
    if isinstance(callback, str):
        return callback
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))
