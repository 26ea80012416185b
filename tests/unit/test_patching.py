"""Wrappers are put on names and removed again, without MLflow and LiteLLM."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_litellm._common.patching import Patch, apply_all, revert_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def greet(name: str) -> str:
    """Return a greeting. Tests patch this function."""
    return f"hello {name}"


def shout(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
    """Wrap a call of `greet`."""
    return wrapped(*args, **kwargs).upper()


@pytest.fixture
def modules() -> Iterator[dict[str, ModuleType]]:
    """Load a package with a function, and a module of user code. Unload both after the test."""
    names = ("package", "package.inner", "user_code")
    made = {name: ModuleType(name) for name in names}
    sys.modules.update(made)
    made["package"].greet = greet  # type: ignore[attr-defined]
    yield made
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def switch() -> dict[str, bool]:
    """Return the switch of the patch."""
    return {"on": True}


@pytest.fixture
def patch(modules: dict[str, ModuleType], switch: dict[str, bool]) -> Patch:
    """Return a patch of ``package.greet``."""
    return Patch(modules["package"], "greet", shout, lambda: switch["on"])


def test_patch_is_applied_and_reverted(patch: Patch) -> None:
    """Reverting a patch restores the same object."""
    apply_all([patch])
    assert patch.holder.greet("you") == "HELLO YOU"
    assert (patch.applied, patch.full_name) == (True, "package.greet")
    revert_all([patch])
    assert patch.holder.greet is greet
    assert not patch.applied


def test_wrapper_is_the_same_object_each_time(patch: Patch) -> None:
    """The wrapper is one object, so that captured ones work again and are never wrapped twice."""
    apply_all([patch])
    first = patch.holder.greet
    revert_all([patch])
    apply_all([patch, patch])
    assert patch.holder.greet is first
    revert_all([patch])


def test_wrapper_asks_at_each_call(patch: Patch, switch: dict[str, bool]) -> None:
    """The wrapper checks the switch at each call, so that a captured one is inactive while off."""
    apply_all([patch])
    captured = patch.holder.greet
    switch["on"] = False
    assert captured("you") == "hello you"
    revert_all([patch])


def test_alias_in_user_code_is_rebound_both_ways(
    patch: Patch, modules: dict[str, ModuleType]
) -> None:
    """Aliases are found by identity, under any name, from before or after the switch."""
    user_code = modules["user_code"]
    user_code.hi = greet  # type: ignore[attr-defined]
    apply_all([patch])
    user_code.late = patch.holder.greet  # type: ignore[attr-defined]
    assert user_code.hi is patch.patched
    revert_all([patch])
    assert (user_code.hi, user_code.late) == (greet, greet)


def test_alias_inside_the_package_is_left_alone_until_it_holds_the_wrapper(
    patch: Patch, modules: dict[str, ModuleType]
) -> None:
    """The package's modules keep their import, but a wrapper in them is replaced at off."""
    inner = modules["package.inner"]
    inner.greet = greet  # type: ignore[attr-defined]
    apply_all([patch])
    assert inner.greet is patch.original
    inner.late = patch.holder.greet  # type: ignore[attr-defined]
    revert_all([patch])
    assert inner.late is patch.original


def test_lazy_modules_are_not_loaded_by_the_search(patch: Patch, tmp_path: Path) -> None:
    """The search does not load lazy modules, which load at any attribute access."""
    (tmp_path / "lazy_one.py").write_text("raise RuntimeError('loaded')")
    spec = importlib.util.spec_from_file_location("lazy_one", tmp_path / "lazy_one.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["lazy_one"] = module
    spec.loader.exec_module(module)
    try:
        apply_all([patch])
        revert_all([patch])
    finally:
        del sys.modules["lazy_one"]


def test_values_that_cannot_be_compared_are_passed_over(
    patch: Patch, modules: dict[str, ModuleType]
) -> None:
    """Values that raise when compared, such as arrays, are ignored."""

    class Array:
        def __eq__(self, other: object) -> bool:
            raise ValueError

        __hash__ = None  # type: ignore[assignment]

    modules["user_code"].array = Array()  # type: ignore[attr-defined]
    apply_all([patch])
    revert_all([patch])


def test_missing_name_is_skipped(modules: dict[str, ModuleType]) -> None:
    """A missing name is skipped, and a module's ``__getattr__`` is not called."""

    def refuse(name: str) -> Any:
        raise RuntimeError(name)

    modules["package"].__getattr__ = refuse  # type: ignore[method-assign]
    patch = Patch(modules["package"], "absent", shout, lambda: True)
    apply_all([patch])
    revert_all([patch])
    assert (patch.applied, patch.current) == (False, None)


def test_function_put_in_the_place_of_the_original_is_wrapped_anew(patch: Patch) -> None:
    """A replaced function is wrapped, and restored by switching off."""
    apply_all([patch])
    revert_all([patch])

    def other(name: str) -> str:
        return f"bye {name}"

    patch.holder.greet = other
    apply_all([patch])
    assert patch.holder.greet("you") == "BYE YOU"
    revert_all([patch])
    assert patch.holder.greet is other


def test_wrapper_that_was_cut_off_is_put_back(patch: Patch) -> None:
    """A wrapper that another library removed by restoring an old function is put back."""
    apply_all([patch])
    patch.holder.greet = patch.original
    assert not patch.applied
    apply_all([patch])
    assert patch.holder.greet("you") == "HELLO YOU"
    revert_all([patch])


def test_wrapper_that_was_cut_off_is_no_reason_to_leave_a_later_one_alone(patch: Patch) -> None:
    """A wrapper removed while on does not prevent wrapping a function that is set while off."""
    apply_all([patch])
    patch.holder.greet = patch.original
    revert_all([patch])
    patch.holder.greet = lambda name: f"bye {name}"
    apply_all([patch])
    assert patch.holder.greet("you") == "BYE YOU"


def test_wrapper_that_somebody_puts_back_while_off_is_not_wrapped_again(patch: Patch) -> None:
    """A wrapper that other code restores while off is not wrapped again, and off removes it."""
    apply_all([patch])
    revert_all([patch])
    patch.holder.greet = patch.patched
    apply_all([patch])
    assert patch.holder.greet is patch.patched
    revert_all([patch])
    assert patch.holder.greet is greet
