"""What is installed: names, types, licence, entry point."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
from pathlib import Path

import pytest

import mlflow_litellm


def test_public_names_are_those_of_all() -> None:
    """Sorted, and each of them there."""
    assert sorted(mlflow_litellm.__all__) == mlflow_litellm.__all__
    assert all(hasattr(mlflow_litellm, name) for name in mlflow_litellm.__all__)


def test_version_is_the_distributions() -> None:
    """One place says it."""
    assert mlflow_litellm.__version__ == importlib.metadata.version("mlflow_litellm")


def test_what_is_tested_is_what_is_installed() -> None:
    """Not a checkout that happens to be on the path."""
    distribution = importlib.metadata.distribution("mlflow_litellm")
    if '"editable": true' in (distribution.read_text("direct_url.json") or ""):
        pytest.skip("installed in editable mode")
    installed = distribution.locate_file("mlflow_litellm/__init__.py")
    assert Path(mlflow_litellm.__file__) == Path(str(installed))


def test_types_are_shipped() -> None:
    """``py.typed`` tells type checkers so."""
    assert (importlib.resources.files("mlflow_litellm") / "py.typed").is_file()


def test_licence_is_shipped() -> None:
    """Apache 2.0, with its text."""
    metadata = importlib.metadata.metadata("mlflow_litellm")
    assert metadata["License-Expression"] == "Apache-2.0"


def test_entry_point_leads_to_a_run_context_provider_without_tags() -> None:
    """MLflow asks it at each run, and gets nothing."""
    [found] = [
        entry_point
        for entry_point in importlib.metadata.entry_points(group="mlflow.run_context_provider")
        if entry_point.name == "mlflow_litellm"
    ]
    provider = found.load()()
    assert (provider.in_context(), provider.tags()) == (False, {})


def test_compromised_releases_of_litellm_are_excluded() -> None:
    """1.82.7 and 1.82.8 carried malware."""
    [litellm] = [
        requirement
        for requirement in importlib.metadata.requires("mlflow_litellm") or ()
        if requirement.startswith("litellm") and "extra" not in requirement
    ]
    assert "!=1.82.7" in litellm
    assert "!=1.82.8" in litellm


def test_files_stay_small() -> None:
    """One mechanism a module: 450 lines are enough for each."""
    package = Path(mlflow_litellm.__file__).parent
    lengths = {path.name: len(path.read_text().splitlines()) for path in package.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 450} == {}
