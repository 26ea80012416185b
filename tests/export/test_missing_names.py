"""A call is traced without any one of MLflow's private names, which may move."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from children import run_each
from mlflow.tracing import constant

from mlflow_litellm._common.attributes import ATTRIBUTES
from mlflow_litellm._tracing import export_stats, mlflow_compat, trace_metadata

if TYPE_CHECKING:
    from children import Ended

PATHS = [f"{name.module}.{name.attribute}" for name in mlflow_compat.NAMES]
# Hides a name from this package only, as MLflow itself needs the name.
SETUP = """
    import importlib, json, sys, types
    import litellm, mlflow, mlflow.litellm

    class Without(types.ModuleType):
        def __getattribute__(self, name):
            module, hidden = object.__getattribute__(self, "what")
            asking = sys._getframe(1).f_globals.get("__name__", "")
            if name == hidden and asking.startswith("mlflow_litellm"):
                raise AttributeError(name)
            return getattr(module, name)

    def hide(path):
        module, _, name = path.rpartition(".")
        without = Without(module)
        object.__setattr__(without, "what", (importlib.import_module(module), name))
        sys.modules[module] = without

    def import_anew():
        sys.meta_path[:] = [each for each in sys.meta_path if "mlflow_litellm" not in repr(each)]
        for name in list(sys.modules):
            if name.startswith(("mlflow_litellm", "mlflow.litellm")):
                del sys.modules[name]
        importlib.import_module("mlflow_litellm")
        importlib.import_module("mlflow.litellm")
"""
PROGRAM = """
    hide("{path}")
    import_anew()
    mlflow.litellm.autolog()
    messages = [{{"role": "user", "content": "hi"}}]
    litellm.completion("openai/gpt-4o-mini", messages, mock_response="hello")
    mlflow.flush_trace_async_logging()
    [trace] = mlflow.search_traces(locations=["0"], return_type="list")
    [span] = trace.data.spans
    text = span.outputs["choices"][0]["message"]["content"]
    print(json.dumps([mlflow.litellm.autolog.__module__, text]))
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Trace one call for each name, in a process without this name."""
    programs = {path: PROGRAM.format(path=path) for path in PATHS}
    return run_each(programs, SETUP, tmp_path_factory.mktemp("names"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", PATHS)
def test_call_is_traced_without_a_name(path: str, ended: dict[str, Ended]) -> None:
    """The call is traced by this package. If its import failed, MLflow's own flavor would trace."""
    assert ended[path].stderr.count("Traceback") == 0
    assert json.loads(ended[path].stdout) == ["mlflow_litellm._instrumentation.autolog", "hello"]


@pytest.mark.parametrize("name", mlflow_compat.NAMES, ids=PATHS)
def test_name_is_where_mlflow_keeps_it(name: mlflow_compat.Name) -> None:
    """The name exists in MLflow. If it moves, this fails, and the package works without it."""
    assert hasattr(__import__(name.module, fromlist=["any"]), name.attribute)


def test_names_of_attributes_are_mlflows() -> None:
    """Attribute names equal MLflow's. The package has copies, as MLflow's constants are private."""
    kinds = (constant.SpanAttributeKey, constant.TraceMetadataKey, constant.TraceTagKey)
    known = {value for kind in kinds for value in vars(kind).values() if isinstance(value, str)}
    known.add(constant.SpansLocation.TRACKING_STORE.value)
    written = {name for name in ATTRIBUTES if name.startswith("mlflow.")}
    written |= {trace_metadata.TRACE_SESSION, trace_metadata.TRACE_USER}
    written |= {trace_metadata.TRACE_TAG_PREFIX, trace_metadata.SESSION_ID, trace_metadata.USER_ID}
    written |= {export_stats.SPANS_LOCATION, export_stats.TRACKING_STORE}
    assert written - known == set()
