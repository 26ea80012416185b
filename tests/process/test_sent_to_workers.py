"""Traced functions are pickled by name, as Spark, Ray, Dask and joblib send them to workers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from scripts import succeed

if TYPE_CHECKING:
    from pathlib import Path

DRIVER = """
    import asyncio, functools, pickle
    import cloudpickle, litellm, mlflow
    from litellm import acompletion, completion

    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    mlflow.litellm.autolog()

    def ask():
        return completion(**asked, mock_response="hello").choices[0].message.content

    def ask_by_module():
        return litellm.completion(**asked, mock_response="hello").choices[0].message.content

    def ask_async():
        answer = asyncio.run(acompletion(**asked, mock_response="hello"))
        return answer.choices[0].message.content

    def closure():
        function = completion
        return lambda: function(**asked, mock_response="hello").choices[0].message.content

    router = [{"model_name": "group", "litellm_params": {"model": "gpt-4o-mini", "api_key": "x"}}]

    def ask_router():
        given = {"messages": asked["messages"], "mock_response": "hello"}
        routed = litellm.Router(router).completion("group", **given)
        return routed.choices[0].message.content

    def text(call):
        return call(**asked, mock_response="hello").choices[0].message.content

    calls = {
        "function": ask,
        "function that names the module": ask_by_module,
        "async function": ask_async,
        "closure": closure(),
        "partial": functools.partial(text, functools.partial(completion, temperature=0.5)),
        "router": ask_router,
        "method": functools.partial(getattr, litellm.Router, "completion"),
    }
    cloudpickle.dump({name: cloudpickle.dumps(call) for name, call in calls.items()},
                     open("calls.pickle", "wb"))
    assert pickle.loads(cloudpickle.dumps(completion)) is completion is litellm.completion
    assert pickle.loads(pickle.dumps(completion)) is completion
"""
WORKER = """
    import sys
    if {absent}:
        sys.modules["mlflow_litellm"] = None
    import json, pickle
    import litellm
    if {on}:
        import mlflow
        mlflow.litellm.autolog()
    calls = pickle.load(open("calls.pickle", "rb"))
    given = {{name: pickle.loads(call)() for name, call in calls.items()}}
    made = 0
    if {on}:
        import mlflow
        mlflow.flush_trace_async_logging()
        made = len(mlflow.search_traces(locations=["0"], return_type="list"))
    assert callable(given.pop("method"))
    print(json.dumps([sorted(set(given.values())), made, len(given)]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Send calls from a process that traces."""
    folder = tmp_path_factory.mktemp("sent")
    succeed(DRIVER, folder)
    return folder


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("on", "absent"), [(True, False), (False, False), (False, True)], ids=["on", "off", "absent"]
)
def test_calls_are_made_in_a_worker(on: bool, absent: bool, folder: Path) -> None:
    """A worker traces if tracing is on there, and also works without this package."""
    out = succeed(WORKER.format(on=on, absent=absent), folder)
    answers, made, calls = json.loads(out.splitlines()[-1])
    assert answers == ["hello"]
    assert made == (calls if on else 0)


def test_function_is_one_to_everybody_else(folder: Path) -> None:
    """A traced function has the type of a function for everything except cloudpickle."""
    code = """
        import inspect, types, cloudpickle, litellm, mlflow
        mlflow.litellm.autolog()
        assert isinstance(litellm.completion, types.FunctionType)
        assert inspect.isfunction(litellm.acompletion)
        assert inspect.iscoroutinefunction(litellm.acompletion)
        cloudpickle.dumps(litellm.completion)
        assert litellm.completion.__class__ is types.FunctionType
    """
    succeed(code, folder)
