"""A trace's page in MLflow's UI, read as a user reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

# Otherwise the UI's assistant opens a panel over the page, the first time.
WELCOMED = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""
LOADED = "images => images.length > 0 && images.every(image => image.naturalWidth > 0)"
PATIENCE_MS = 60_000
# The names of spans are red if the span has an exception.
RED = """titles => titles.filter(title => {
    const [red, green, blue] = getComputedStyle(title).color.match(/[0-9]+/g).map(Number);
    return red > 2 * Math.max(green, blue);
}).map(title => title.innerText).filter(text => text)"""


def hide_hints(page: Page) -> None:
    """Close the hint over the list of traces, which the UI shows the first time."""
    page.set_default_timeout(PATIENCE_MS)
    page.add_locator_handler(page.get_by_text("Got it"), lambda hint: hint.click())


class TracePage:
    """
    The open page of one trace.

    Args:
        page: The browser's page.
        server: The URL of the tracking server.
        experiment_id: The trace's experiment.
        trace_id: The trace.
    """

    def __init__(self, page: Page, server: str, experiment_id: str, trace_id: str) -> None:
        self._page = page
        page.set_default_timeout(PATIENCE_MS)
        # The UI would stay on the previous trace, as a new part behind # loads nothing.
        page.goto("about:blank")
        page.goto(f"{server}/#/experiments/{experiment_id}/traces?selectedEvaluationId={trace_id}")
        self._tab("Inputs / Outputs").wait_for()

    @property
    def drawer(self) -> Locator:
        """The element that shows the trace, above the list of traces."""
        # Not by role: a first-time hint of the UI hides the rest from accessibility roles.
        return self._page.locator("[role=dialog]:has([role=tabpanel])")

    @property
    def body(self) -> Locator:
        """The element that shows the span's inputs and outputs, in the UI's default view."""
        return self._page.get_by_test_id("model-trace-explorer-default-span-view")

    @property
    def head(self) -> list[str]:
        """The lines above the tabs, and the lines of the list of spans."""
        return self.drawer.inner_text().partition("Inputs / Outputs")[0].splitlines()

    def select(self, name: str) -> None:
        """Select the first span of this name in the tree."""
        self._nodes().get_by_text(name, exact=True).first.click()

    def failed(self) -> list[str]:
        """Return the names that the tree shows in red."""
        return list(self._nodes().locator("span").evaluate_all(RED))

    def _nodes(self) -> Locator:
        return self.drawer.locator("[data-testid^=timeline-tree-node-]")

    def open(self, tab: str) -> None:
        """Open a tab."""
        self._tab(tab).click()

    def _tab(self, name: str) -> Locator:
        return self.drawer.locator("[role=tab]", has_text=name)

    def inputs(self) -> list[str]:
        """Return the lines that show the inputs."""
        return self._lines()[0]

    def outputs(self) -> list[str]:
        """Return the lines that show the outputs."""
        return self._lines()[1]

    def _lines(self) -> tuple[list[str], list[str]]:
        self.body.wait_for()
        text = self.body.inner_text()
        inputs, _, outputs = text.partition("\nOutputs\nPretty\n")
        inputs = inputs.partition("Inputs\nPretty\n")[2]
        return _filled(inputs), _filled(outputs)

    def unfold(self) -> None:
        """Show the reasoning, which the UI collapses."""
        for button in self.body.locator("button", has_text="Reasoning").all():
            button.click()

    def has_pictures(self) -> bool:
        """Return whether there are pictures, and the browser has loaded them all."""
        pictures = self.body.locator("img")
        pictures.first.wait_for()
        return bool(pictures.evaluate_all(LOADED))

    def save(self, path: Path) -> None:
        """Save a screenshot of the trace."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.drawer.screenshot(path=path)


def _filled(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
