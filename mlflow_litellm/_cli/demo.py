"""The demo: makes a few calls, and prints their traces as read back from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import litellm
import mlflow
from mlflow.entities import Trace

from mlflow_litellm._cli import store, tree
from mlflow_litellm._cli.demo_calls import DemoCalls
from mlflow_litellm._cli.terminal import Segment
from mlflow_litellm._tracing.store.errors import ProblemError, one_line, store_uri
from mlflow_litellm._tracing.trace_metadata import TRACE_SESSION, TRACE_USER

if TYPE_CHECKING:
    from mlflow_litellm._cli.terminal import Terminal

# By the HTTP status of the provider's response.
REMEDIES = {
    401: "check the key in the environment",
    403: "check the rights of the key in the environment",
    404: "the provider has no such model: name another --model",
    429: "wait, or raise the provider's limit",
}


def run(terminal: Terminal, model: str | None, tracking_uri: str | None, experiment: str) -> int:
    """
    Make the calls, print their traces, and return the exit status.

    Args:
        terminal: The output.
        model: The model to call, or None for LiteLLM's mock: no key and no network.
        tracking_uri: The store of the traces, or None for MLflow's current tracking URI.
        experiment: The name of their experiment.

    Raises:
        ProblemError: The store does not respond, or the model cannot be called.
    """
    calls = DemoCalls(model)
    experiment_id = _open_store(tracking_uri, experiment)
    with terminal.status("Making the calls ..."):
        traces = [_read(trace_id) for trace_id in _make(calls)]
    terminal.line()
    for trace in traces:
        guides = tree.BOXES if terminal.has_boxes else tree.ASCII
        for line in tree.draw(trace.data.spans, _labels(trace), guides, terminal.width):
            terminal.line(*line)
        terminal.line()
    terminal.paragraph(f"Stored in {store_uri()}, experiment {experiment!r}.")
    terminal.line()
    for step in store.way_to_ui(experiment_id, terminal.width):
        terminal.line(Segment(step))
    return 0


def _open_store(tracking_uri: str | None, experiment: str) -> str:
    """Set the store and the current experiment, and return the experiment's id."""
    if tracking_uri is not None:
        mlflow.set_tracking_uri(tracking_uri)
    store.make_local()
    return str(store.ask(lambda: mlflow.set_experiment(experiment)).experiment_id)


def _make(calls: DemoCalls) -> list[str | None]:
    """Return the ids of the traces: the call of each kind, and the call that fails."""
    # The trace of all calls is made last, so that it is the first row of the UI.
    calls.failing()
    failed = mlflow.get_last_active_trace_id()
    try:
        calls.all()
    except Exception as error:
        what = f"a call of {calls.model} failed ({one_line(error, 200)})"
        raise ProblemError(what, remedy(error)) from error
    mlflow.flush_trace_async_logging()
    return [mlflow.get_last_active_trace_id(), failed]


def remedy(error: BaseException | None) -> str:
    """Return the remedy for a failed call, by its exception and the causes of the exception."""
    status = getattr(error, "status_code", 0)
    # LiteLLM has exceptions of several types for an endpoint that does not answer.
    while error is not None:
        if isinstance(error, (OSError, litellm.Timeout)):
            return "its endpoint cannot be reached: check its address, the network and any proxy"
        error = error.__cause__ or error.__context__
    return REMEDIES.get(status, "try another --model")


def _read(trace_id: str | None) -> Trace:
    trace = store.ask(lambda: mlflow.get_trace(trace_id or ""))
    if not isinstance(trace, Trace):
        what = f"the traces did not arrive in {store_uri()}"
        raise ProblemError(what, "run python -m mlflow_litellm doctor --send to find the cause")
    return trace


def _labels(trace: Trace) -> str:
    """Return a trace's user, session and tags, without those that MLflow sets."""
    metadata, tags = trace.info.trace_metadata, trace.info.tags
    named = {"user": TRACE_USER, "session": TRACE_SESSION}
    labels = [f"{name} {metadata[key]}" for name, key in named.items() if key in metadata]
    labels += [f"tag {key}={tags[key]}" for key in sorted(tags) if not key.startswith("mlflow.")]
    return ", ".join(labels)
