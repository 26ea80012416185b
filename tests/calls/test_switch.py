"""Switching tracing on and off: ``mlflow.litellm.autolog`` and ``mlflow.autolog``."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import re
import sys
import threading
import weakref
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import litellm
import mlflow
import mlflow.litellm
import pytest
import wrapt
from callers import MODEL, user
from mlflow.utils.autologging_utils import get_autolog_function, get_autologging_config

import mlflow_litellm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from traces import Traces

NAMES = ("completion", "acompletion")
ORIGINALS = {name: vars(litellm)[name] for name in NAMES}

completion = litellm.completion  # Imported before tracing is on, as in most user code.


def call(function: Callable[..., Any] | None = None) -> Any:
    """Make one mocked call, of the current ``litellm.completion`` or of `function`."""
    function = function or litellm.completion
    return function(model=MODEL, messages=user("hi"), mock_response="hello")


@pytest.fixture(autouse=True)
def _forget_mlflow_autolog() -> Iterator[None]:
    """Switch off the flavors that ``mlflow.autolog()`` switches on in addition to LiteLLM."""
    yield
    mlflow.autolog(disable=True, silent=True)


@pytest.fixture
def fake_module() -> Iterator[ModuleType]:
    """Load a module of user code, empty for the test to fill."""
    module = ModuleType("some_user_module")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_every_way_to_the_flavor_reaches_the_same_function() -> None:
    """The attribute, the imports and MLflow's own lookup return the same function."""
    from mlflow import litellm as flavor

    assert mlflow.litellm.autolog is mlflow_litellm.autolog
    assert flavor.autolog is mlflow_litellm.autolog
    assert sys.modules["mlflow.litellm"].autolog is mlflow_litellm.autolog
    assert get_autolog_function("litellm") is mlflow_litellm.autolog


def test_signature_of_autolog_is_mlflows() -> None:
    """The first three parameters have MLflow's names and defaults."""
    parameters = inspect.signature(mlflow.litellm.autolog).parameters.items()
    defaults = {name: parameter.default for name, parameter in parameters}
    assert list(defaults.items()) == [
        ("log_traces", True),
        ("disable", False),
        ("silent", False),
        ("log_content", None),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_disabling_restores_the_original_object(name: str) -> None:
    """The original object is restored, any number of times."""
    for _ in range(3):
        mlflow.litellm.autolog()
        mlflow.litellm.autolog()
        assert getattr(litellm, name) is not ORIGINALS[name]
        mlflow.litellm.autolog(disable=True)
        mlflow.litellm.autolog(disable=True)
        assert getattr(litellm, name) is ORIGINALS[name]


def test_disabling_what_was_never_on_does_nothing() -> None:
    """Some programs begin with ``disable=True``."""
    mlflow.litellm.autolog(disable=True)
    assert litellm.completion is ORIGINALS["completion"]


def test_calls_are_traced_only_while_on(traces: Traces) -> None:
    """Off, on, off, on: two of the four calls make a trace."""
    call()
    mlflow.litellm.autolog()
    call()
    mlflow.litellm.autolog(disable=True)
    call()
    mlflow.litellm.autolog()
    call()
    assert len(traces.all()) == 2


def test_log_traces_false_leaves_the_functions_unpatched() -> None:
    """``log_traces=False`` removes the patches, and the flavor stays configured."""
    mlflow.litellm.autolog()
    mlflow.litellm.autolog(log_traces=False)
    assert litellm.completion is ORIGINALS["completion"]
    assert get_autologging_config("litellm", "disable") is False


def test_mlflow_autolog_switches_on_and_off() -> None:
    """Here LiteLLM is imported before; a process of its own tests the other order."""
    mlflow.autolog(silent=True)
    assert litellm.completion is not ORIGINALS["completion"]
    mlflow.autolog(disable=True)
    assert litellm.completion is ORIGINALS["completion"]
    mlflow.autolog(silent=True)
    assert litellm.completion is not ORIGINALS["completion"]


def test_mlflow_autolog_disable_ends_what_was_enabled_by_name() -> None:
    """MLflow documents that ``mlflow.autolog(disable=True)`` disables all flavors."""
    mlflow.litellm.autolog()
    mlflow.autolog(disable=True)
    assert litellm.completion is ORIGINALS["completion"]


@pytest.mark.parametrize("off", [{"disable": True}, {"log_traces": False}])
def test_mlflow_autolog_does_not_undo_an_explicit_off(off: dict[str, bool]) -> None:
    """The setting for this flavor wins over the setting for all flavors."""
    mlflow.litellm.autolog(**off)
    mlflow.autolog(silent=True)
    assert litellm.completion is ORIGINALS["completion"]


def test_excluded_flavor_is_left_alone() -> None:
    """``exclude_flavors`` holds for switching on and for switching off."""
    mlflow.autolog(exclude_flavors=["litellm"], silent=True)
    assert litellm.completion is ORIGINALS["completion"]
    mlflow.litellm.autolog()
    mlflow.autolog(disable=True, exclude_flavors=["litellm"])
    assert litellm.completion is not ORIGINALS["completion"]


def test_name_imported_before_enabling_is_traced(traces: Traces) -> None:
    """LiteLLM's documentation imports with ``from litellm import completion``."""
    mlflow.litellm.autolog()
    call(completion)
    assert len(traces.all()) == 1
    mlflow.litellm.autolog(disable=True)
    assert completion is ORIGINALS["completion"]


def test_name_imported_while_on_is_the_original_after_off(fake_module: ModuleType) -> None:
    """The module may have the function under any name."""
    mlflow.litellm.autolog()
    fake_module.llm = litellm.completion
    mlflow.litellm.autolog(disable=True)
    assert fake_module.llm is ORIGINALS["completion"]


def test_captured_wrapper_is_inert_while_off_and_live_when_on_again(traces: Traces) -> None:
    """A wrapper in an instance or in a closure cannot be replaced, so it does nothing while off."""
    mlflow.litellm.autolog()
    captured = SimpleNamespace(llm=litellm.completion)
    mlflow.litellm.autolog(disable=True)
    assert call(captured.llm).choices[0].message.content == "hello"
    assert traces.all() == []
    mlflow.litellm.autolog()
    call(captured.llm)
    assert len(traces.all()) == 1


def wrap_on_top(seen: list[str]) -> Any:
    """Wrap ``litellm.completion`` as another library does, and return the wrapper."""

    def other(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        seen.append("other")
        return wrapped(*args, **kwargs)

    litellm.completion = wrapt.FunctionWrapper(litellm.completion, other)
    return litellm.completion


def test_wrapper_of_another_library_on_top_stays(traces: Traces) -> None:
    """Their wrapper works, ours below it does nothing, and enabling again adds no second span."""
    seen: list[str] = []
    try:
        mlflow.litellm.autolog()
        theirs = wrap_on_top(seen)
        mlflow.litellm.autolog(disable=True)
        assert litellm.completion is theirs
        call()
        assert (seen, traces.all()) == (["other"], [])
        mlflow.litellm.autolog()
        assert litellm.completion is theirs
        call()
        assert len(traces.one().data.spans) == 1
    finally:
        litellm.completion = theirs.__wrapped__
        mlflow.litellm.autolog(disable=True)


def test_plain_closure_on_top_is_remembered_too(traces: Traces) -> None:
    """A wrapper without ``__wrapped__`` is recognised if it was on top at the disabling."""
    mlflow.litellm.autolog()
    ours = litellm.completion
    litellm.completion = lambda *args, **kwargs: ours(*args, **kwargs)  # noqa: PLW0108
    try:
        mlflow.litellm.autolog(disable=True)
        mlflow.litellm.autolog()
        call()
        assert len(traces.one().data.spans) == 1
    finally:
        litellm.completion = ours
        mlflow.litellm.autolog(disable=True)


def test_wrapper_of_another_library_below_stays(traces: Traces) -> None:
    """Disabling restores the object before our patch, not LiteLLM's original."""
    seen: list[str] = []
    theirs = wrap_on_top(seen)
    try:
        mlflow.litellm.autolog()
        call()
        mlflow.litellm.autolog(disable=True)
        assert litellm.completion is theirs
        assert (seen, len(traces.all())) == (["other"], 1)
    finally:
        litellm.completion = ORIGINALS["completion"]


@pytest.mark.parametrize("name", NAMES)
def test_patched_function_looks_as_before(name: str, tracing: Traces) -> None:
    """Libraries such as instructor read the name, signature, docstring and kind."""
    patched, original = getattr(litellm, name), ORIGINALS[name]
    assert patched.__name__ == original.__name__
    assert patched.__qualname__ == original.__qualname__
    assert patched.__module__ == original.__module__
    assert patched.__doc__ == original.__doc__
    assert inspect.signature(patched) == inspect.signature(original)
    assert inspect.iscoroutinefunction(patched) == inspect.iscoroutinefunction(original)
    assert inspect.isfunction(patched)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("name", NAMES)
def test_patched_function_copies_to_itself(
    duplicate: Callable[[Any], Any], name: str, tracing: Traces
) -> None:
    """A copy of a function is the function itself."""
    assert duplicate(getattr(litellm, name)) is getattr(litellm, name)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_patched_function_pickles_by_name(protocol: int) -> None:
    """Unpickling returns the object that has the name at that time."""
    mlflow.litellm.autolog()
    pickled = pickle.dumps(litellm.completion, protocol)
    assert pickle.loads(pickled) is litellm.completion
    mlflow.litellm.autolog(disable=True)
    assert pickle.loads(pickled) is ORIGINALS["completion"]


def test_partial_of_the_patched_function_works(tracing: Traces) -> None:
    """``functools.partial`` and ``map`` accept the wrapper like the function."""
    ask = functools.partial(litellm.completion, messages=user("hi"), mock_response="hello")
    [response] = map(ask, [MODEL])
    assert response.choices[0].message.content == "hello"
    assert len(tracing.all()) == 1


def test_toggling_from_many_threads_under_load_breaks_no_call() -> None:
    """Every response is right, and the originals are restored at the end."""
    answers: list[str] = []

    def ask() -> None:
        answers.extend(call().choices[0].message.content for _ in range(5))

    def toggle() -> None:
        for round_ in range(5):
            mlflow.litellm.autolog(disable=bool(round_ % 2))

    threads = [threading.Thread(target=target) for target in [ask, toggle] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mlflow.litellm.autolog(disable=True)
    assert answers == ["hello"] * 20
    assert litellm.completion is ORIGINALS["completion"]


def test_missing_name_is_skipped_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The other targets are patched all the same."""
    monkeypatch.delattr(litellm, "completion")
    for _ in range(2):
        mlflow.litellm.autolog()
        assert litellm.acompletion is not ORIGINALS["acompletion"]
        mlflow.litellm.autolog(disable=True)
    told = [record for record in caplog.records if "litellm.completion" in record.getMessage()]
    assert len(told) == 1


def test_disabling_below_a_mock_is_made_good_by_disabling_again() -> None:
    """``mock.patch`` restores the object that it saw: our wrapper, which does nothing by then."""
    mlflow.litellm.autolog()
    with mock.patch("litellm.completion"):
        mlflow.litellm.autolog(disable=True)
    mlflow.litellm.autolog(disable=True)
    assert litellm.completion is ORIGINALS["completion"]


class Model(str):
    """A model's name that can be weakly referenced."""

    __slots__ = ("__weakref__",)


def is_kept(make: type[Model], ask: Callable[..., Any]) -> bool:
    """Return whether the name of a model outlives the call that it was passed to."""
    model = make(MODEL)
    ask(model, user("hi"), mock_response="hello")
    alive = weakref.ref(model)
    del model
    gc.collect()
    return alive() is not None


def test_method_made_of_the_patched_function_is_not_kept_alive(tracing: Traces) -> None:
    """A function in a class is a method; the arguments are still recorded by their names."""
    if is_kept(Model, ORIGINALS["completion"]):
        pytest.skip("This version of LiteLLM keeps them itself.")

    class Asked(Model):
        __slots__ = ()
        ask = litellm.completion

    assert not is_kept(Asked, lambda model, *messages, **more: model.ask(*messages, **more))
    assert tracing.span().inputs["messages"] == user("hi")


def test_unknown_attribute_of_the_package_raises() -> None:
    """The lazy names do not make every name exist."""
    assert mlflow_litellm.__version__
    with pytest.raises(AttributeError, match="no_such_name"):
        mlflow_litellm.no_such_name  # noqa: B018


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("disabled", "has no argument disabled; did you mean disable?"),
        ("log_trace", "did you mean log_traces?"),
        ("exclusive", "there are log_traces, disable, silent, log_content"),
    ],
)
def test_argument_that_does_not_exist_names_the_nearest(wrong: str, hint: str) -> None:
    """A misspelled argument changes nothing, and the error names the right one."""
    with pytest.raises(TypeError, match=re.escape(hint)):
        mlflow.litellm.autolog(**{wrong: True})
    assert litellm.completion is ORIGINALS["completion"]


def test_arguments_of_autolog_can_be_inspected() -> None:
    """Editors and MLflow read the arguments from the signature."""
    names = ["log_traces", "disable", "silent", "log_content"]
    assert names == list(inspect.signature(mlflow.litellm.autolog).parameters)
