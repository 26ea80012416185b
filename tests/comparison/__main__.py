"""
Rebuilds the table of docs/comparison.md: ``python -m comparison FOLDER``.

Each tracer gets an environment in that folder, made with uv if it does not exist yet. Further
arguments name the tracers to run again; for the others, the results in the folder are used.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import BESIDE, SETTINGS, Provider, running

from .page import write
from .recorded import Run
from .tracers import SHARED, TRACERS

if TYPE_CHECKING:
    from .tracers import Tracer

LIMIT_S = 1200
VERSIONS = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"


def python_of(tracer: Tracer, folder: Path) -> Path:
    """Return the Python of a tracer's environment, which is made if it does not exist."""
    home = folder / tracer.key
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "--python", sys.executable, home], check=True)
    install = ["uv", "pip", "install", "--quiet", "--python", python, *SHARED]
    # This checkout's version stays the same between two builds.
    fresh = ["--reinstall-package", "mlflow_litellm", "--refresh-package", "mlflow_litellm"]
    subprocess.run([*install, *tracer.requirements, *fresh], check=True)
    return python


def ask(tracer: Tracer, folder: Path, provider: Provider) -> dict[str, Any]:
    """Play all scenarios with a tracer; return its records and the versions."""
    python = python_of(tracer, folder)
    packages = [tracer.package, "litellm"]
    versions = subprocess.check_output([python, "-c", VERSIONS, *packages], text=True).split()
    log = folder / f"{tracer.key}.log"
    with log.open("wb") as errors:
        told = subprocess.check_output(
            [python, "-m", "comparison.probe", tracer.key],
            cwd=folder,
            env={**os.environ, **SETTINGS, **provider.environment, **BESIDE},
            stderr=errors,
            timeout=LIMIT_S,
        )
    # Tracers may print as well.
    runs = json.loads(told.splitlines()[-1])
    return {"version": versions[0], "litellm": versions[1], "date": today(), "runs": runs}


def today() -> str:
    """Return the date."""
    return datetime.now(tz=timezone.utc).date().isoformat()


def runs_of(told: dict[str, Any]) -> dict[str, Run]:
    """Return the results of each scenario; fail if one could not be played."""
    runs = {name: Run(**run) for name, run in told["runs"].items()}
    if errors := [f"{name}: {run.error}" for name, run in runs.items() if run.error]:
        raise RuntimeError("\n".join(errors))
    return runs


def main(folder: Path, *keys: str) -> None:
    """Run the tracers, and write the page."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {tracer.key: folder / f"{tracer.key}.json" for tracer in TRACERS}
    asked = [t for t in TRACERS if t.key in keys or not (keys and found[t.key].exists())]
    with running(Provider(folder)) as provider:
        for tracer in asked:
            sys.stdout.write(f"{tracer.title}\n")
            found[tracer.key].write_text(json.dumps(ask(tracer, folder, provider)))
    told = {key: json.loads(file.read_text()) for key, file in found.items()}
    write(told, {key: runs_of(each) for key, each in told.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
