"""The installed package has its names, types, license and entry point."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
from pathlib import Path

import pytest

import mlflow_litellm


def test_public_names_are_those_of_all() -> None:
    """`__all__` is sorted, and each of its names exists."""
    assert sorted(mlflow_litellm.__all__) == mlflow_litellm.__all__
    assert all(hasattr(mlflow_litellm, name) for name in mlflow_litellm.__all__)


def test_version_is_the_distributions() -> None:
    """The package's version equals the distribution's."""
    assert mlflow_litellm.__version__ == importlib.metadata.version("mlflow_litellm")


def test_what_is_tested_is_what_is_installed() -> None:
    """The tested package is the installed one, not a checkout on the path."""
    distribution = importlib.metadata.distribution("mlflow_litellm")
    if '"editable": true' in (distribution.read_text("direct_url.json") or ""):
        pytest.skip("installed in editable mode")
    installed = distribution.locate_file("mlflow_litellm/__init__.py")
    assert Path(mlflow_litellm.__file__) == Path(str(installed))


def test_types_are_shipped() -> None:
    """``py.typed`` is installed, so that type checkers use the annotations."""
    assert (importlib.resources.files("mlflow_litellm") / "py.typed").is_file()


def test_licence_is_shipped() -> None:
    """The package's metadata names the Apache 2.0 license."""
    metadata = importlib.metadata.metadata("mlflow_litellm")
    assert metadata["License-Expression"] == "Apache-2.0"


def test_entry_point_leads_to_a_run_context_provider_without_tags() -> None:
    """The entry point is a run context provider without tags, which MLflow loads at each run."""
    [found] = [
        entry_point
        for entry_point in importlib.metadata.entry_points(group="mlflow.run_context_provider")
        if entry_point.name == "mlflow_litellm"
    ]
    provider = found.load()()
    assert (provider.in_context(), provider.tags()) == (False, {})


def test_compromised_releases_of_litellm_are_excluded() -> None:
    """Releases 1.82.7 and 1.82.8, which contained malware, are excluded."""
    [litellm] = [
        requirement
        for requirement in importlib.metadata.requires("mlflow_litellm") or ()
        if requirement.startswith("litellm") and "extra" not in requirement
    ]
    assert "!=1.82.7" in litellm
    assert "!=1.82.8" in litellm
