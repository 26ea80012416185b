"""The installation alone makes ``mlflow.litellm.autolog`` this package's function."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from scripts import succeed

if TYPE_CHECKING:
    from pathlib import Path

WHOSE = """
    import sys
    {imports}
    print({function}.__module__, "litellm" in sys.modules)
"""


@pytest.mark.parametrize(
    ("imports", "function"),
    [
        ("import mlflow", "mlflow.litellm.autolog"),
        ("import mlflow.litellm as flavor", "flavor.autolog"),
        ("from mlflow import litellm as flavor", "flavor.autolog"),
        ("import mlflow_litellm, mlflow", "mlflow.litellm.autolog"),
        ("import mlflow_litellm", "mlflow_litellm.autolog"),
        (
            "from mlflow.utils.autologging_utils import get_autolog_function",
            "get_autolog_function('litellm')",
        ),
    ],
)
def test_fresh_process_finds_this_package(imports: str, function: str, tmp_path: Path) -> None:
    """The order of imports does not matter, and the lookup does not import litellm."""
    out = succeed(WHOSE.format(imports=imports, function=function), tmp_path)
    assert out.split() == ["mlflow_litellm._instrumentation.autolog", "False"]


@pytest.mark.parametrize("value", ["false", "0", "False", "no", "OFF"])
def test_environment_variable_leaves_mlflows_own(value: str, tmp_path: Path) -> None:
    """This package's function is still available under its own name."""
    code = "import mlflow, mlflow_litellm; print(mlflow.litellm.autolog.__module__); "
    code += "print(mlflow_litellm.autolog.__module__)"
    out = succeed(code, tmp_path, MLFLOW_LITELLM_TAKEOVER=value)
    assert out.split() == ["mlflow.litellm", "mlflow_litellm._instrumentation.autolog"]


def test_flavor_loaded_before_the_package_is_taken_over(tmp_path: Path) -> None:
    """A package that is not installed may be imported after MLflow."""
    code = """
        import os, mlflow.litellm as flavor
        own = flavor.autolog
        del os.environ["MLFLOW_LITELLM_TAKEOVER"]
        from mlflow_litellm import _takeover, autolog
        from mlflow_litellm._tracing import builtin_flavor
        _takeover.install(lambda: autolog)
        _takeover.install(lambda: autolog)
        assert flavor.autolog is autolog is not own
        assert builtin_flavor.builtin_autolog() is own
    """
    succeed(code, tmp_path, MLFLOW_LITELLM_TAKEOVER="false")


def test_configuration_of_the_flavor_survives_the_takeover(tmp_path: Path) -> None:
    """If MLflow's flavor is on, ``autolog()`` switches it off and restores it later."""
    code = """
        import os, litellm, mlflow
        mlflow.litellm.autolog()
        assert litellm.success_callback == ["mlflow"]
        import mlflow_litellm
        mlflow_litellm.autolog()
        assert litellm.success_callback == []
        mlflow_litellm.autolog(disable=True)
        assert litellm.success_callback == ["mlflow"]
    """
    succeed(code, tmp_path, MLFLOW_LITELLM_TAKEOVER="false")


@pytest.mark.parametrize(
    "first", ["mlflow.autolog(); import litellm", "import litellm; mlflow.autolog()"]
)
def test_mlflow_autolog_enables_it_in_either_order(first: str, tmp_path: Path) -> None:
    """MLflow's import hook enables it, or ``mlflow.autolog()`` itself after ``import litellm``."""
    code = f"""
        import mlflow
        {first}
        assert type(litellm.completion).__name__ == "PatchedFunction"
        mlflow.autolog(disable=True)
        assert type(litellm.completion).__name__ == "function"
    """
    succeed(code, tmp_path)


def test_main_module_that_imported_the_name_first_is_traced(tmp_path: Path) -> None:
    """A script or a notebook may import ``completion`` before ``autolog()``."""
    code = """
        from litellm import completion
        original = completion
        import mlflow
        mlflow.litellm.autolog()
        completion("gpt-4o-mini", [{"role": "user", "content": "hi"}], mock_response="hello")
        assert mlflow.get_last_active_trace_id()
        mlflow.litellm.autolog(disable=True)
        import litellm
        assert completion is litellm.completion
    """
    succeed(code, tmp_path)


def test_installed_and_unused_it_costs_mlflow_no_millisecond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import time is the median of nine, measured in a fresh process."""
    code = """
        import importlib, json, sys, time
        import importlib.metadata
        def load():
            for name in [name for name in sys.modules if name.startswith("mlflow_litellm")]:
                del sys.modules[name]
            sys.meta_path[:] = [f for f in sys.meta_path if "Flavor" not in type(f).__name__]
            began = time.perf_counter()
            entry_point.load()
            return (time.perf_counter() - began) * 1000
        [entry_point] = [
            found for found in importlib.metadata.entry_points(group="mlflow.run_context_provider")
            if found.name == "mlflow_litellm"
        ]
        load()
        times = sorted(load() for _ in range(9))
        loaded = [name for name in ("mlflow", "litellm", "wrapt") if name in sys.modules]
        print(json.dumps([times[4], loaded]))
    """
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)
    # Byte code is kept, as in a user's installation.
    milliseconds, loaded = json.loads(succeed(code, tmp_path, PYTHONDONTWRITEBYTECODE=""))
    assert loaded == []
    assert milliseconds < 1


def test_litellm_imported_anew_is_patched_anew(tmp_path: Path) -> None:
    """Some test suites and notebooks remove a package and import it again."""
    code = """
        import sys, litellm, mlflow
        mlflow.litellm.autolog()
        for name in [name for name in sys.modules if name.partition(".")[0] == "litellm"]:
            del sys.modules[name]
        import litellm
        mlflow.litellm.autolog()
        assert type(litellm.completion).__name__ == "PatchedFunction"
    """
    succeed(code, tmp_path)
