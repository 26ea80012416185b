"""Runs scripts as users do: in their own process, with MLflow's defaults."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import dedent

from mlflow import MlflowClient

# Variables that this process sets for its own tests, or that a developer's shell may have.
CLEARED = ("MLFLOW_", "OTEL_")


@functools.cache
def _empty_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "mlflow.db")
        MlflowClient(f"sqlite:///{store}").search_experiments()
        return store.read_bytes()


def provide_store(folder: Path) -> None:
    """Put MLflow's default store into a folder, as its tables take seconds to make."""
    store = folder / "mlflow.db"
    if not store.exists():
        store.write_bytes(_empty_store())


def as_users_have_it(**more: str) -> dict[str, str]:
    """Return the environment without MLflow's variables, and add some."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(CLEARED)}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", **more}


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in `folder`, with these environment variables, and return its result."""
    provide_store(folder)
    script = folder / "script.py"
    script.write_text(dedent(code))
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=as_users_have_it(**environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def succeed(code: str, folder: Path, **environment: str) -> str:
    """Run a script that must succeed, and return its standard output."""
    return stdout_of(run(code, folder, **environment))


def stdout_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return the standard output of a script that must have succeeded."""
    assert done.returncode == 0, done.stderr
    return done.stdout
