"""Draws the measurements: the same figures give the same file, readable on light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from bench.growth import GROWTHS
from bench.page import DOCS, SHOWN
from bench.scenarios import SCENARIOS
from bench.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

IMAGES = DOCS / "images"
# Visible on white and on black.
GREY = "#808080"
COLOURS = {
    "ours": "#2f81f7",
    "by_hand": GREY,
    "builtin": "#d9822b",
    "openinference": "#3a9d5d",
}
STYLE = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": GREY,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def draw(told: Mapping[str, Any]) -> None:
    """Draw both figures."""
    with mpl.rc_context(STYLE):
        bars(told["calls"]["held"], IMAGES / "bench.svg")
        lines(told["growth"], IMAGES / "growth.svg")


def bars(by_scenario: Mapping[str, Any], file: Path) -> None:
    """Draw the added time of each variant in the main scenarios."""
    names = [name for name in SHOWN if name in by_scenario]
    keys = [key for key in COLOURS if key in by_scenario[names[0]]]
    figure, axes = plt.subplots(figsize=(8, 4))
    width = 0.8 / len(keys)
    for place, key in enumerate(keys):
        told = [by_scenario[name][key]["thread"] for name in names]
        axes.bar(
            [i + (place - (len(keys) - 1) / 2) * width for i in range(len(names))],
            [each["value"] for each in told],
            width,
            label=VARIANTS[key].title,
            color=COLOURS[key],
        )
    axes.set_xticks(range(len(names)), [SCENARIOS[name].title.replace(", ", ",\n").replace(
        " of", "\nof").replace(" at ", "\nat ") for name in names])  # fmt: skip
    axes.set_ylabel("added to a call, µs")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    _save(figure, file)


def lines(by_growth: Mapping[str, Any], file: Path) -> None:
    """Draw a panel for each quantity that grows."""
    figure, panels = plt.subplots(2, 2, figsize=(8, 6))
    for axes, (what, by_key) in zip(panels.flat, by_growth.items(), strict=True):
        _panel(axes, what, by_key)
    panels.flat[0].legend()
    _save(figure, file)


def _panel(axes: Axes, what: str, by_key: Mapping[str, Any]) -> None:
    for key, found in by_key.items():
        added = found["added_us"]
        sizes = [int(size) for size in added]
        axes.loglog(
            sizes, list(added.values()), marker="o", label=VARIANTS[key].title, color=COLOURS[key]
        )
    axes.set_xlabel(GROWTHS[what].title)
    axes.set_ylabel(f"added to a {GROWTHS[what].unit}, µs")
    if not GROWTHS[what].per_unit:
        # Keeps a flat line flat in the plot.
        axes.set_ylim(10, 10_000)


def _save(figure: Any, file: Path) -> None:
    figure.tight_layout()
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, transparent=True, metadata={"Date": None})
    plt.close(figure)
