"""Each folder of the package has a limited size and limited imports."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "mlflow_litellm"
FILES = {path.relative_to(PACKAGE.parent).as_posix(): path for path in PACKAGE.rglob("*.py")}
# A folder may import itself and the folders before it.
LAYERS = ["_common", "_payloads", "_tracing", "_instrumentation"]
MAX_ENTRIES = 10
MAX_FILES = 20
MAX_LINES = 450
MAX_LEVELS = 12


def module_name(file: str) -> str:
    """Return the dotted name of a file's module."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_name(file): path for file, path in FILES.items()}


@cache
def imported(module: str) -> list[str]:
    """Return all imports of a module, including those in functions and for type checks."""
    names: list[str] = []
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name if name in MODULES else node.module for name in full]
    return names


def inner_imports() -> dict[str, set[str]]:
    """Return for each module its imports from the package."""
    return {
        module: {name for name in imported(module) if name in MODULES and name != module}
        for module in MODULES
    }


def modules_of(folder: str) -> list[str]:
    """Return the modules below a folder of the package."""
    return [module for module in MODULES if module.startswith(f"mlflow_litellm.{folder}.")]


def test_no_module_imports_itself_by_way_of_others() -> None:
    """No module imports itself through others, also not for type checks, which readers follow."""
    assert list(TopologicalSorter(inner_imports()).static_order())


def test_imports_are_not_deep() -> None:
    """The longest chain of imports between modules is limited."""
    graph, levels = inner_imports(), dict[str, int]()
    for module in TopologicalSorter(graph).static_order():
        levels[module] = 1 + max((levels[name] for name in graph[module]), default=0)
    assert max(levels.values()) <= MAX_LEVELS


@pytest.mark.parametrize("module", MODULES)
def test_state_is_in_objects(module: str) -> None:
    """No function rebinds a variable of its module: state that changes has a class."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert [node.names for node in ast.walk(tree) if isinstance(node, ast.Global)] == []


@pytest.mark.parametrize("layer", LAYERS)
def test_folder_imports_only_the_folders_below_it(layer: str) -> None:
    """A folder imports only the folders before it."""
    allowed = tuple(f"mlflow_litellm.{name}." for name in LAYERS[: LAYERS.index(layer) + 1])
    modules, graph = modules_of(layer), inner_imports()
    assert modules
    found = {name for module in modules for name in graph[module]}
    assert [name for name in found if not f"{name}.".startswith(allowed)] == []


@pytest.mark.parametrize(
    ("folder", "foreign"),
    [("_common", {"litellm", "mlflow"}), ("_payloads", {"mlflow", "wrapt"})],
)
def test_folder_does_not_know_a_library(folder: str, foreign: set[str]) -> None:
    """Folders do not import certain libraries, as payloads are pure functions of LiteLLM's data."""
    names = [name for module in modules_of(folder) for name in imported(module)]
    assert {name.partition(".")[0] for name in names} & foreign == set()


def test_root_has_few_entries() -> None:
    """The root has few entries, so that a reader sees all of them at once."""
    entries = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MAX_ENTRIES


def test_folders_and_files_are_small() -> None:
    """Folders and files are small: a module has one mechanism, and a folder has a short list."""
    folders = [path.parent for path in FILES.values()]
    assert {path.name for path in folders if folders.count(path) > MAX_FILES} == set()
    lines = {
        file: len(path.read_text(encoding="utf-8").splitlines()) for file, path in FILES.items()
    }
    assert [file for file, count in lines.items() if count > MAX_LINES] == []
