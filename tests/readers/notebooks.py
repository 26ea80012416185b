"""Runs notebooks in a real Jupyter kernel, and reads the output of each cell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import mlflow
import nbformat
from nbclient import NotebookClient
from processes import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# A kernel imports slowly if others run beside it.
CELL_TIMEOUT_S = 200
FAULTS = ("Error in callback", "Exception in thread", "Traceback (most recent call last)")


def written(cells: Mapping[str, str], failing: tuple[str, ...] = ()) -> Any:
    """
    Write a notebook.

    Args:
        cells: The cells' sources by their names.
        failing: The names of the cells that should raise.
    """
    notebook = nbformat.v4.new_notebook()
    for name, source in cells.items():
        tags = ["raises-exception"] if name in failing else []
        notebook.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
    return notebook


def executed(notebook: Any, folder: Path, environment: Mapping[str, str]) -> Any:
    """Return a notebook, executed in its own kernel with these environment variables for MLflow."""
    own = {
        "IPYTHONDIR": str(folder),
        # Longer than any notebook takes: shown traces are shown because a cell has ended.
        "MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "600000",
        "MLFLOW_AUTOLOGGING_TESTING": "true",
    }
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        timeout=CELL_TIMEOUT_S,
        startup_timeout=CELL_TIMEOUT_S,
        # Some tests leave the kernel with spans that cannot be sent.
        shutdown_kernel="immediate",
    )
    return client.execute(env=clean_environment(**{**own, **environment}))


def shown(cell: Any) -> list[str]:
    """Return the ids of the traces that a cell shows."""
    pages = [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    return re.findall(r"[?;&]trace_id=(tr-\w+)", "".join(pages))


def printed(cell: Any) -> str:
    """Return the printed output of a cell, with its errors."""
    return "".join(output.get("text", "") for output in cell.outputs)


def assert_faultless(notebook: Any) -> None:
    """Fail if something broke outside of the cells' own code."""
    texts = [printed(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert [] == [text for text in texts if any(fault in text for fault in FAULTS)]


def traces_by_prompt(tracking_uri: str, experiment: str) -> dict[str, str]:
    """Return the ids of an experiment's traces by the prompts of the calls in them."""
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    found = client.get_experiment_by_name(experiment)
    assert found
    traces = client.search_traces(locations=[found.experiment_id], max_results=100)
    return {
        span.inputs["messages"][-1]["content"]: trace.info.trace_id
        for trace in traces
        for span in trace.data.spans
        if "messages" in (span.inputs or {})
    }
