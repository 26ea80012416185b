"""
Measures the cost of tracing: ``python -m bench FOLDER [--quick] [--seed N]``.

Writes docs/performance.md, its figures and its images, in half an hour. ``--quick`` writes none of
them, takes two minutes, and measures only the data for the budgets. Both exit with status 1 if a
budget is missed. Run nothing else on the machine meanwhile.

Each way of tracing runs in its own process, with MLflow's default store, SQLite. The process is
stopped (SIGSTOP) while another one is measured. MLflow exports in a thread, which competes with the
caller for the interpreter. So calls are measured twice: with the export held back by MLflow's own
settings until a burst of calls is over, and with the default settings of users. The first is steady
and is used for ratios; its cost of a call is the processor time of the caller's thread, to which
nothing else on the machine adds. The second is wall-clock time, which includes the waits.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from processes import AS_USERS_HAVE_IT

from bench import budgets, direct, growth, page, rounds, startup
from bench.scenarios import SCENARIOS
from bench.variants import VARIANTS
from bench.workers import HELD, workers

PACKAGES = ("mlflow_litellm", "litellm", "mlflow", "wrapt", "openinference-instrumentation-litellm")


@dataclass(frozen=True)
class Plan:
    """The amount of measurement: seconds of rounds, repetitions, processes."""

    held_s: float
    exporting_s: float
    against_s: float
    growths: int
    calls: int
    streams: int
    imports: int
    autologs: int


FULL = Plan(
    held_s=420, exporting_s=200, against_s=180, growths=5, calls=40, streams=15, imports=15,
    autologs=9,
)  # fmt: skip
QUICK = Plan(
    held_s=0, exporting_s=0, against_s=20, growths=0, calls=6, streams=4, imports=3, autologs=0
)
BARE = ("bare", "bare_disabled")
ALL = tuple(key for key in VARIANTS if key not in BARE)
# Only for the budgets, with more rounds than a full run has time for.
AGAINST, SIMPLE = ("nothing", "ours", "builtin"), ("sync", "async_")
DIRECT = ("ours", "disabled", "sampled_out", *BARE, "by_hand")


def measure(plan: Plan, folder: Path, seed: int) -> dict[str, Any]:
    """Measure all scenarios of the plan, one after the other."""
    draw = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    told = {"calls": _whole(plan, folder, draw, seed), **_clocked(plan, folder, draw, seed)}
    say("start-up")
    told["startup"] = startup.measure(folder, plan.imports, draw, seed)
    if plan.autologs:
        told["autolog"] = startup.measure_autolog(folder, plan.autologs, seed)
    return {**told, "budgets": budgets.check(told)}


def _whole(plan: Plan, folder: Path, draw: random.Random, seed: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, seconds, variants, scenarios, export in (
        ("against", plan.against_s, AGAINST, SIMPLE, HELD),
        ("held", plan.held_s, ALL, tuple(SCENARIOS), HELD),
        ("exporting", plan.exporting_s, ALL, tuple(SCENARIOS), AS_USERS_HAVE_IT),
    ):
        say(f"calls: {name}, {seconds:g} s")
        if seconds:
            with workers([VARIANTS[key] for key in variants], folder, export) as started:
                added = rounds.measure(started, scenarios, seconds, draw)
            told[name] = rounds.told(added, seed)
    return told


def _clocked(plan: Plan, folder: Path, draw: random.Random, seed: int) -> dict[str, Any]:
    say("streams, and growth" if plan.growths else "streams")
    with workers([VARIANTS[key] for key in DIRECT], folder, HELD, "--clocked") as started:
        told = {
            "direct": direct.measure_calls(started, plan.calls, draw, seed),
            "stream": direct.measure_stream(started["ours"], plan.streams, seed),
        }
        if plan.growths:
            traced = {key: started[key] for key in growth.TRACED}
            told["growth"] = growth.measure(traced, plan.growths, draw, seed)
    return told


def circumstances(seed: int, began: float) -> dict[str, Any]:
    """Return the machine, the versions and the settings of the measurement."""
    return {
        "date": datetime.now(tz=timezone.utc).date().isoformat(),
        "versions": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "seed": seed,
        "minutes": round((time.monotonic() - began) / 60, 1),
    }


def publish(told: dict[str, Any]) -> None:
    """Write the documentation's figures, images and tables."""
    from bench import plots

    page.FIGURES.parent.mkdir(exist_ok=True)
    figures = page.needed(told)
    page.FIGURES.write_text(page.dump(figures) + "\n")
    plots.draw(figures)
    page.write(figures)


def say(what: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, publish the figures, and check the budgets."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure what tracing costs.")
    parser.add_argument("folder", type=Path, help="where stores and logs go")
    parser.add_argument("--quick", action="store_true", help="only what the budgets need")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    began = time.monotonic()
    say(f"seed {given.seed}")
    told = measure(QUICK if given.quick else FULL, given.folder.resolve(), given.seed)
    told = {**circumstances(given.seed, began), **told}
    (given.folder / "bench.json").write_text(json.dumps(told, indent=1))
    if not given.quick:
        publish(told)
    say("\n\n".join(page.tables(told).values()))
    if missed := budgets.missed(told["budgets"]):
        sys.exit("\n".join(["Budgets that are missed:", *missed]))


if __name__ == "__main__":
    main()
