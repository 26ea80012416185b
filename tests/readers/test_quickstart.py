"""The quickstart notebook runs as written, and shows the promised traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from notebooks import assert_faultless, executed, shown, traces_by_prompt

if TYPE_CHECKING:
    from processes import Provider, TrackingServer

# The first test waits for a tracking server, and for a kernel that imports MLflow and LiteLLM.
pytestmark = pytest.mark.timeout(600)

QUICKSTART = Path(__file__).parents[2] / "docs" / "quickstart.ipynb"
# The number of traces that each cell shows; the search cell shows its results.
SHOWN = {
    "on": 0,
    "call": 1,
    "look": 0,
    "stream": 1,
    "async": 3,
    "tool": 1,
    "function": 1,
    "tree": 0,
    "tags": 1,
    "search": 1,
    "off": 0,
}


@pytest.fixture(scope="module")
def cells(
    vendor: Provider, tracking: TrackingServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Execute the notebook in a user's environment, and return its code cells by their ids."""
    environment = {**vendor.environment, "MLFLOW_TRACKING_URI": tracking.uri}
    notebook = nbformat.read(QUICKSTART, as_version=4)
    done = executed(notebook, tmp_path_factory.mktemp("quickstart"), environment)
    assert_faultless(done)
    return {cell.id: cell for cell in done.cells if cell.cell_type == "code"}


def test_no_output_is_stored() -> None:
    """The notebook is stored without outputs, as the documentation's build makes them anew."""
    stored = nbformat.read(QUICKSTART, as_version=4)
    ran = [cell for cell in stored.cells if cell.get("outputs") or cell.get("execution_count")]
    assert [] == ran


def test_each_cell_shows_its_own_traces(cells: dict[str, Any], tracking: TrackingServer) -> None:
    """Each cell shows the traces of the prompts in its code."""
    traces = traces_by_prompt(tracking.uri, "litellm-quickstart")
    expected = {
        name: {trace for prompt, trace in traces.items() if prompt in cell.source}
        for name, cell in cells.items()
    }
    expected["search"] = expected["tags"]
    assert expected == {name: set(shown(cell)) for name, cell in cells.items()}
    assert {name: len(shown(cell)) for name, cell in cells.items()} == SHOWN


def test_the_tool_is_called(cells: dict[str, Any]) -> None:
    """The tool is called with the model's own arguments."""
    assert "get_weather" in str(cells["tool"].outputs)
