"""
Puts a wrapper on a public name, finds its aliases, and takes it off again.

wrapt applies patches but never removes them, and leaves names that were imported before
(https://wrapt.readthedocs.io/en/master/monkey.html); this module is that other half.
"""

from __future__ import annotations

import functools
import inspect
import pkgutil
import sys
import threading
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Wrapper = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]

_lock = threading.RLock()


# wrapt's proxies have these, so that a function would be a context manager, and have a length.
# Python asks the class, and takes None there for "has none"; programs ask the object.
_NO_FUNCTION_HAS = frozenset({
    "__aenter__", "__aexit__", "__aiter__", "__anext__", "__await__", "__bytes__", "__complex__",
    "__contains__", "__delitem__", "__enter__", "__exit__", "__float__", "__getitem__",
    "__index__", "__int__", "__iter__", "__len__", "__next__", "__reversed__", "__round__",
    "__setitem__",
})  # fmt: skip
# Other Pythons may lack it.
_getframe: Any = getattr(sys, "_getframe", None)


class PatchedFunction(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """
    A wrapped function that copies and pickles as the function does.

    ``wrapt.FunctionWrapper`` raises ``NotImplementedError`` there. Functions copy to themselves
    and pickle by name, so this one does too: unpickled where nothing is patched, the name leads
    to the original.
    """

    # Not super(), which does not go with a ``__class__`` in the body of a class.
    def __init__(
        self, name: str, wrapped: Any, wrapper: Wrapper, is_enabled: Callable[[], bool]
    ) -> None:
        wrapt.FunctionWrapper.__init__(self, wrapped, wrapper, is_enabled)
        self._self_name = name

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """
        The function's type; to cloudpickle, which Spark, Ray, Dask and joblib use, this one.

        cloudpickle sends a function by value, globals and all, unless its module holds that very
        object under its name: there LiteLLM's module holds the original. What is no function, it
        leaves to ``__reduce_ex__``.
        https://github.com/cloudpipe/cloudpickle/blob/master/cloudpickle/cloudpickle.py
        """
        # Past __getattribute__().
        caller = _getframe(2).f_globals.get("__name__", "") if _getframe else ""
        if "cloudpickle" in str(caller):
            return PatchedFunction
        # Not type(): what is wrapped may be another library's proxy.
        function_type: type = self.__wrapped__.__class__
        return function_type

    def __getattribute__(self, name: str) -> Any:
        if name in _NO_FUNCTION_HAS:
            msg = f"'function' object has no attribute {name!r}"
            raise AttributeError(msg)
        return wrapt.FunctionWrapper.__getattribute__(self, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __copy__(self) -> PatchedFunction:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> PatchedFunction:
        return self

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return pkgutil.resolve_name, (self._self_name,)


for _name in _NO_FUNCTION_HAS:
    setattr(PatchedFunction, _name, None)


def _patched_method(original: Any, wrapper: Wrapper, is_enabled: Callable[[], bool]) -> Any:
    """
    Return a function in the place of a method's, async where that is.

    Not a ``wrapt.FunctionWrapper``: what that gives when it is bound to an object can neither be
    copied nor pickled, nor be held by a ``weakref.WeakMethod``.
    """

    @functools.wraps(original)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        bound = _bound(original, self)
        return wrapper(bound, self, args, kwargs) if is_enabled() else bound(*args, **kwargs)

    @functools.wraps(original)
    async def async_method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        bound = _bound(original, self)
        return await (
            wrapper(bound, self, args, kwargs) if is_enabled() else bound(*args, **kwargs)
        )

    return async_method if inspect.iscoroutinefunction(original) else method


def _bound(function: Any, instance: Any) -> Any:
    # A mock in the place of a method is not bound to an object.
    return function.__get__(instance) if hasattr(type(function), "__get__") else function


class Patch:
    """
    One public name of a module or a class, with a wrapper on it or without.

    Args:
        holder: What has the name, such as ``litellm`` or ``litellm.Router``.
        name: The attribute to wrap, such as ``"completion"``.
        wrapper: Called as ``wrapper(wrapped, instance, args, kwargs)`` for each call.
        is_on: Asked at each call. While it says no, calls go straight to the original: that is
            what makes wrappers inert that somebody captured.
        served: What answers to the name if the holder has none: a class may find methods in its
            ``__getattr__``.
    """

    def __init__(
        self,
        holder: ModuleType | type,
        name: str,
        wrapper: Wrapper,
        is_enabled: Callable[[], bool],
        *,
        served: Any = None,
    ) -> None:
        self.holder = holder
        self.name = name
        self._served = served
        self._wrapper = wrapper
        self._is_on = is_enabled
        self.original: Any = None
        self.patched: Any = None
        self._installed = False

    @property
    def full_name(self) -> str:
        """The dotted name, such as ``litellm.completion``."""
        return ".".join(filter(None, (*self._place, self.name)))

    @property
    def package(self) -> str:
        """The top-level package of the holder."""
        return _package(self._place[0])

    @property
    def _place(self) -> tuple[str, str]:
        if isinstance(self.holder, ModuleType):
            return self.holder.__name__, ""
        return self.holder.__module__, self.holder.__qualname__

    @property
    def current(self) -> Any:
        """What stands under the name now; None where the holder has no such name."""
        # Not getattr(): a module's __getattr__ may import what nobody asked for.
        return vars(self.holder).get(self.name, self._served)

    @property
    def applied(self) -> bool:
        """Whether the wrapper stands under the name, or was left below another library's."""
        current = self.current
        return self._installed and current is not self.original and not self._is_own(current)

    def _is_own(self, function: Any) -> bool:
        """Tell whether a function is the patched package's own, and so no wrapper on ours."""
        # Not by __module__, which a wrapper copies from the function.
        namespace = function.__globals__ if type(function) is FunctionType else {}
        return _package(str(namespace.get("__name__", ""))) == self.package

    def apply(self) -> None:
        """Put the wrapper on the name, unless it is there. Does nothing for a missing name."""
        current = self.current
        # Another library may have put back what it saw while this was on.
        self._installed |= current is not None and current is self.patched
        if current is None or self.applied:
            return
        if self.patched is None or current is not self.original:
            self.original = current
            self.patched = self._wrap(current)
        setattr(self.holder, self.name, self.patched)
        self._installed = True

    def _wrap(self, current: Any) -> Any:
        if isinstance(current, staticmethod):
            name = f"{self.holder.__module__}:{self.holder.__qualname__}.{self.name}"
            wrapped = PatchedFunction(name, current.__func__, self._wrapper, self._is_on)
            return staticmethod(wrapped)
        if not isinstance(self.holder, ModuleType):
            return _patched_method(current, self._wrapper, self._is_on)
        name = f"{self.holder.__name__}:{self.name}"
        return PatchedFunction(name, current, self._wrapper, self._is_on)

    def revert(self) -> None:
        """
        Put the original object back where the wrapper stands.

        Another library's wrapper on top stays: cutting it would end that library's work. What
        is below it is inert by then, and is remembered, so that applying again adds no second.
        """
        if self.patched is not None and self.current is self.patched:
            if self.original is self._served:
                delattr(self.holder, self.name)
            else:
                setattr(self.holder, self.name, self.original)
        # Also where another library has cut the wrapper off.
        self._installed &= self.current is not self.original


def holder_of(root: ModuleType, name: str) -> tuple[ModuleType | type, str]:
    """
    Return what has a dotted name below a module, and the name's last part.

    A class may have its methods from another; that one is returned. Where nothing on the way has
    the name, `root` and the whole name are.
    """
    *path, last = name.split(".")
    holder: Any = root
    for part in path:
        # Not getattr(), as above.
        inner = vars(holder).get(part)
        if not isinstance(inner, (ModuleType, type)):
            # A function may cover the module that it is named after.
            inner = sys.modules.get(f"{holder.__name__}.{part}")
        if inner is None:
            return root, name
        holder = inner
    return (_definer(holder, last) if isinstance(holder, type) else holder), last


def _definer(holder: type, name: str) -> type:
    """Return the class that a method is defined in, which a facade reaches in ways of its own."""
    method = getattr(holder, name, None)
    place = f"{getattr(method, '__module__', '')}:{getattr(method, '__qualname__', '')}"
    try:
        found = pkgutil.resolve_name(place.rpartition(".")[0])
    except (AttributeError, ImportError, ValueError):
        return holder
    return found if isinstance(found, type) and name in vars(found) else holder


def apply_all(patches: Iterable[Patch]) -> None:
    """
    Apply patches, also to names that other modules imported from the patched one before.

    Is idempotent and thread-safe. Takes about 10 ms where 3,000 modules are loaded.
    """
    with _lock:
        for patch in (patches := list(patches)):
            patch.apply()
        wrapped = [patch for patch in patches if patch.patched is not None]
        _rebind({id(p.original): p.patched for p in wrapped}, outside=_packages(wrapped))


def revert_all(patches: Iterable[Patch]) -> None:
    """
    Put the originals back, under the patched names and wherever a module holds a wrapper.

    Is idempotent and thread-safe.
    """
    with _lock:
        for patch in (patches := list(patches)):
            patch.revert()
        wrapped = [patch for patch in patches if patch.patched is not None]
        _rebind({id(p.patched): p.original for p in wrapped}, outside=frozenset())


def _packages(patches: Iterable[Patch]) -> frozenset[str]:
    return frozenset(patch.package for patch in patches)


def _package(module_name: str) -> str:
    return module_name.partition(".")[0]


def _rebind(replacements: Mapping[int, Any], outside: frozenset[str]) -> None:
    """
    Rebind names of loaded modules, the ``__main__`` of a notebook among them.

    Args:
        replacements: What to put in the place of an object, by that object's ``id``.
        outside: Packages to leave alone.
    """
    if not replacements:
        return
    for module_name, module in sys.modules.copy().items():
        # By type(), as some objects there only claim to be modules.
        if not issubclass(type(module), ModuleType) or _package(module_name) in outside:
            continue
        # Past the module's own __getattribute__, which in lazy modules loads them.
        namespace = ModuleType.__getattribute__(module, "__dict__")
        # A copy is made in one step of the interpreter; other threads import meanwhile.
        held = namespace.copy()
        # In one step too, as a debugger or a coverage tool slows a loop over all names down.
        if replacements.keys().isdisjoint(map(id, held.values())):
            continue
        for name, value in held.items():
            if id(value) in replacements:
                namespace[name] = replacements[id(value)]
