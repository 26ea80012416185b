"""
MLflow's UI shows a Router's call with both attempts, as the documentation says.

Screenshots are saved as in test_ui.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest
from documents import ROOT
from processes import TrackingServer, clean_environment
from ui_page import TracePage, hide_hints

if TYPE_CHECKING:
    from playwright.sync_api import Page

# The first test starts a server and a browser.
pytestmark = pytest.mark.timeout(300)

EXAMPLE = ROOT / "docs" / "examples" / "router_fallbacks.py"
SCREENSHOTS = os.environ.get("UI_SCREENSHOTS")
# With MLflow's own flavor, LiteLLM's callbacks make the traces in other threads.
WITHOUT = {"MLFLOW_LITELLM_TAKEOVER": "false"}


def routed(tracking: TrackingServer, experiment: str, **variables: str) -> str:
    """Run the example, which makes one call, and return the experiment's id."""
    where = {"MLFLOW_TRACKING_URI": tracking.uri, "MLFLOW_EXPERIMENT_NAME": experiment}
    environment = {**clean_environment(), **where, **variables}
    subprocess.run([sys.executable, EXAMPLE], env=environment, check=True, capture_output=True)
    mlflow.set_tracking_uri(tracking.uri)
    return str(mlflow.get_experiment_by_name(experiment).experiment_id)


def test_flavor_of_mlflow_shows_two_unrelated_calls(
    page: Page, tracking: TrackingServer, tmp_path: Path
) -> None:
    """With MLflow's own flavor, each attempt is a trace of its own."""
    experiment = routed(tracking, "before", **WITHOUT)
    page.goto(f"{tracking.uri}/#/experiments/{experiment}/traces")
    hide_hints(page)
    page.get_by_text("Hello?").nth(1).wait_for()
    page.locator("[role=table]").first.screenshot(
        path=Path(SCREENSHOTS or tmp_path, "router-before.png")
    )


def test_this_package_shows_both_attempts_below_the_call(
    page: Page, tracking: TrackingServer, tmp_path: Path
) -> None:
    """With this package, the call is one trace, whose tree has the failed attempt in red."""
    experiment = routed(tracking, "after")
    [trace] = mlflow.search_traces(locations=[experiment], return_type="list")
    shown = TracePage(page, tracking.uri, experiment, trace.info.trace_id)
    shown.body.get_by_text("Here I am.").wait_for()
    assert ["litellm-completion"] == shown.failed()
    shown.save(Path(SCREENSHOTS or tmp_path, "router-after.png"))
