"""
Sessions: ``tests`` for each Python, ``frameworks`` for each of them, ``lint``, ``types``.

Plain ``nox`` runs them all.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_external_run = True
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
nox.options.sessions = [
    *(f"tests-{version}" for version in PYTHONS),
    "frameworks",
    "lint",
    "types",
]
FRAMEWORKS = [
    group.removeprefix("framework-")
    for group in PROJECT["dependency-groups"]
    if group.startswith("framework-")
]


def runs(version: str) -> bool:
    """Tell whether a Python runs here: version managers put names on the path that do not."""
    python = shutil.which(f"python{version}")
    return python is not None and not subprocess.call([python, "--version"], **QUIET)


QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
HERE = [version for version in PYTHONS if runs(version)]


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


@nox.session(python=HERE)
def tests(session: nox.Session) -> None:
    """Test the built and installed wheel, with branch coverage."""
    install(session, "tests", extras="[mlflow]")
    session.run("coverage", "erase")
    # Not "-m pytest": that puts this folder first on the path, and the checkout would be tested.
    pytest = str(Path(session.bin) / "pytest")
    session.run("coverage", "run", pytest, "-n", "auto", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


def skip_tests(version: str) -> None:
    """Have nox say which Python it has not tested."""

    @nox.session(name=f"tests-{version}", python=False)
    def skipped(session: nox.Session) -> None:
        session.skip(f"Python {version} does not run on this machine")


for missing in sorted(set(PYTHONS) - set(HERE)):
    skip_tests(missing)


# pip takes minutes to choose what fits each, uv seconds.
@nox.session(venv_backend="uv|venv")
@nox.parametrize("name", FRAMEWORKS, ids=FRAMEWORKS)
def frameworks(session: nox.Session, name: str) -> None:
    """Test with one framework that calls LiteLLM."""
    # As pip does; uv has certificates of its own, which know of no company's proxy.
    session.env["UV_SYSTEM_CERTS"] = "true"
    tools = nox.project.dependency_groups(PROJECT, "frameworks", f"framework-{name}")
    session.install("--quiet", ".[mlflow]", *tools)
    # Reinstalled alone, as its version stays the same between two builds.
    session.install("--quiet", "--force-reinstall", "--no-deps", ".")
    # Not "-m pytest", as above.
    pytest = str(Path(session.bin) / "pytest")
    test = Path("tests", "frameworks", f"test_{name.replace('-', '_')}.py")
    session.run(pytest, "--disable-warnings", str(test), *session.posargs)


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
