"""Runs scripts as users do: in a process of their own, with MLflow's defaults."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What this process sets for its own tests, and what a developer's shell may hold.
CLEARED = ("MLFLOW_", "OTEL_")


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in `folder`, with MLflow's variables as given here, and return what it did."""
    script = folder / "script.py"
    script.write_text(dedent(code))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(CLEARED)}
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={**kept, "MLFLOW_DISABLE_TELEMETRY": "true", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def succeed(code: str, folder: Path, **environment: str) -> str:
    """Run a script that must end well, and return what it printed on standard output."""
    done = run(code, folder, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
