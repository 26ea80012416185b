"""The time that the package adds to ``import mlflow``, and of ``autolog()``, in fresh processes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import BESIDE, clean_environment

from bench.estimates import typical

if TYPE_CHECKING:
    import random

PACKAGE = "mlflow_litellm"
IMPORT = """
import importlib.metadata, json, sys, time
from bench.clock import pace

load, own = importlib.metadata.EntryPoint.load, []
def timed(point):
    began = time.process_time()
    try:
        return load(point)
    finally:
        if point.value.startswith("mlflow_litellm"):
            own.append(time.process_time() - began)
importlib.metadata.EntryPoint.load = timed

began = time.process_time()
import mlflow
took = time.process_time() - began
usual = pace()
there = [name for name in ("litellm", "wrapt", "mlflow_litellm") if name in sys.modules]
print(json.dumps({"cpu_ms": took * 1000, "own_ms": sum(own) * 1000 * usual, "there": there}))
"""
# A program with many loaded modules: all are searched for names bound to LiteLLM's functions.
AUTOLOG = """
import json, sys, time
import litellm, mlflow, matplotlib.pyplot, pandas, scipy.stats, sklearn.ensemble, sqlalchemy.orm
import mlflow.genai
from litellm import acompletion, completion
mlflow.litellm
began = time.perf_counter()
mlflow.litellm.autolog()
took = time.perf_counter() - began
print(json.dumps({"autolog_ms": took * 1000, "modules": len(sys.modules)}))
"""


def environments(folder: Path) -> dict[str, Path]:
    """
    Return this environment's packages twice, with this package and without.

    Each is a folder of links, so that nothing else differs, compiled files included.
    """
    made = {name: folder / name for name in ("with", "without")}
    for home in made.values():
        home.mkdir(exist_ok=True)
        for item in Path(sysconfig.get_path("purelib")).iterdir():
            _link(home, item)
    for item in made["without"].glob(f"{PACKAGE}*"):
        item.unlink()
    if not (made["with"] / PACKAGE).exists():
        # A package installed for development is elsewhere.
        spec = importlib.util.find_spec(PACKAGE)
        assert spec
        assert spec.origin
        _link(made["with"], Path(spec.origin).parent)
    return made


def _link(home: Path, item: Path) -> None:
    link = home / item.name
    if not link.is_symlink():
        link.symlink_to(item)


def run(packages: Path, program: str) -> dict[str, Any]:
    """Run a program with these packages alone, and return the data that it prints."""
    told = subprocess.check_output(
        # -S: without the packages of this environment.
        [sys.executable, "-S", "-c", program],
        env=clean_environment(PYTHONPATH=os.pathsep.join([str(packages), BESIDE["PYTHONPATH"]])),
        cwd=packages.parent,
        text=True,
    )
    return json.loads(told.splitlines()[-1])


def measure(folder: Path, times: int, draw: random.Random, seed: int) -> dict[str, Any]:
    """Return the time of an import with the package and without, and the package's own part."""
    made = environments(folder)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in made}
    # A first run fills the disk's cache.
    for name in made:
        assert (PACKAGE in run(made[name], IMPORT)["there"]) == (name == "with")
    for _ in range(times):
        for name in draw.sample(sorted(made), k=len(made)):
            found[name].append(run(made[name], IMPORT))
    assert not any("litellm" in told["there"] for told in found["with"])
    cpu = {name: [told["cpu_ms"] for told in each] for name, each in found.items()}
    figures = {
        "with_ms": cpu["with"],
        "without_ms": cpu["without"],
        "added_ms": [a - b for a, b in zip(cpu["with"], cpu["without"], strict=True)],
        "own_ms": [told["own_ms"] for told in found["with"]],
    }
    told = {name: typical(each, seed).rounded() for name, each in figures.items()}
    return {**told, "processes": times}


def measure_autolog(folder: Path, times: int, seed: int) -> dict[str, Any]:
    """Return the time of ``autolog()`` in a process with many loaded modules."""
    packages = environments(folder)["with"]
    told = [run(packages, AUTOLOG) for _ in range(times)]
    took = typical([each["autolog_ms"] for each in told], seed)
    return {"autolog_ms": took.rounded(), "modules": told[0]["modules"], "processes": times}
