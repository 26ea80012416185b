"""Sessions: ``tests``, ``lint``, ``types``; plain ``nox`` runs all three."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
# Tested where the machine has them; nox says which it skips.
PYTHONS = nox.project.python_versions(PROJECT)
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
nox.options.sessions = [f"tests-{HERE}", "lint", "types"]


def install(session: nox.Session, *groups: str, extras: str = "") -> None:
    """Install the built wheel, as users get it, and the tools of some dependency groups."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder / "wheel", ignore_errors=True)
    session.run(
        "python", "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder / "wheel"), "."
    )
    [wheel] = (folder / "wheel").glob("*.whl")
    tools = nox.project.dependency_groups(PROJECT, *groups)
    # Reinstalled alone, as its version stays the same between two builds.
    session.install("--quiet", f"{wheel}{extras}", *tools)
    session.install("--quiet", "--force-reinstall", "--no-deps", str(wheel))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test the built and installed wheel, with branch coverage."""
    install(session, "tests", extras="[mlflow]")
    environment = {"COVERAGE_PROCESS_START": str(Path("pyproject.toml").resolve())}
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs, env=environment)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, docstrings and formatting."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the package's types strictly."""
    install(session, "types", extras="[mlflow]")
    session.run("mypy")
