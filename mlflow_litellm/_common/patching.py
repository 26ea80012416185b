"""
Puts a wrapper on a public name and on its aliases, and takes the wrapper off again.

wrapt applies patches, but does not remove them, and does not patch names that were imported before
(https://wrapt.readthedocs.io/en/master/monkey.html). This module does both.
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


# wrapt's proxies define these methods, which a function lacks: a patched function would be a
# context manager and have a length. Python reads the class, in which None means "no such method".
# Programs read the object.
_NO_FUNCTION_HAS = frozenset({
    "__aenter__", "__aexit__", "__aiter__", "__anext__", "__await__", "__bytes__", "__complex__",
    "__contains__", "__delitem__", "__enter__", "__exit__", "__float__", "__getitem__",
    "__index__", "__int__", "__iter__", "__len__", "__next__", "__reversed__", "__round__",
    "__setitem__",
})  # fmt: skip
# Other implementations of Python may lack it.
_getframe: Any = getattr(sys, "_getframe", None)


class PatchedFunction(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """
    A wrapped function that can be copied and pickled like the function.

    ``wrapt.FunctionWrapper`` raises ``NotImplementedError`` for both. A function's copy is the
    function itself, and its pickle is its name; this class does the same. In a process without
    patches, the unpickled name is the original function.
    """

    # Not super(), which fails in a class that defines ``__class__`` in its body.
    def __init__(
        self, name: str, wrapped: Any, wrapper: Wrapper, is_enabled: Callable[[], bool]
    ) -> None:
        wrapt.FunctionWrapper.__init__(self, wrapped, wrapper, is_enabled)
        self._self_name = name

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """
        The function's type; for cloudpickle (Spark, Ray, Dask, joblib), ``PatchedFunction``.

        cloudpickle pickles a function by value, with its globals, unless the function's module
        holds the same object under the function's name. In the receiving process, LiteLLM's module
        holds the original. cloudpickle calls ``__reduce_ex__`` of an object that is no function.
        https://github.com/cloudpipe/cloudpickle/blob/master/cloudpickle/cloudpickle.py
        """
        # Frame 1 is __getattribute__(), frame 2 its caller.
        caller = _getframe(2).f_globals.get("__name__", "") if _getframe else ""
        if "cloudpickle" in str(caller):
            return PatchedFunction
        # Not type(): the wrapped object may be another library's proxy.
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

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return pkgutil.resolve_name, (self._self_name,)


for _name in _NO_FUNCTION_HAS:
    setattr(PatchedFunction, _name, None)


def _patched_method(original: Any, wrapper: Wrapper, is_enabled: Callable[[], bool]) -> Any:
    """
    Return a function that replaces a method; an async function if the method is async.

    Not a ``wrapt.FunctionWrapper``: its bound object cannot be copied or pickled, and a
    ``weakref.WeakMethod`` cannot hold it.
    """

    @functools.wraps(original)
    def method(self: object, /, *args: object, **kwargs: object) -> Any:
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
    # A mock that replaces a method is not bound to an object.
    return function.__get__(instance) if hasattr(type(function), "__get__") else function


class Patch:
    """
    One public name of a module or a class, with or without a wrapper on it.

    Args:
        holder: The module or class, such as ``litellm`` or ``litellm.Router``.
        name: The attribute to wrap, such as ``"completion"``.
        wrapper: Called as ``wrapper(wrapped, instance, args, kwargs)`` for each call.
        is_enabled: Called at each call. If it returns False, the original is called directly: a
            wrapper that other code still holds then does nothing.
        served: The function that the holder's ``__getattr__`` returns for the name, if the holder
            itself does not have the name.
    """

    def __init__(
        self,
        holder: ModuleType | type,
        name: str,
        wrapper: Wrapper,
        is_enabled: Callable[[], bool],
        *,
        served: object = None,
    ) -> None:
        self.holder = holder
        self.name = name
        self._served = served
        self._wrapper = wrapper
        self._is_enabled = is_enabled
        self.original: Any = None
        self.patched: Any = None
        self._installed = False

    @property
    def full_name(self) -> str:
        """The dotted name, such as ``litellm.completion``."""
        return ".".join(filter(None, (*self._path, self.name)))

    @property
    def package(self) -> str:
        """The top-level package of the holder."""
        return _package(self._path[0])

    @property
    def _path(self) -> tuple[str, str]:
        if isinstance(self.holder, ModuleType):
            return self.holder.__name__, ""
        return self.holder.__module__, self.holder.__qualname__

    @property
    def current(self) -> Any:
        """The object that the name refers to now; None if the holder has no such name."""
        # Not getattr(): a module's __getattr__ may import a module that nobody needs.
        return vars(self.holder).get(self.name, self._served)

    @property
    def applied(self) -> bool:
        """Whether the name refers to the wrapper, or to another library's wrapper around it."""
        current = self.current
        return self._installed and current is not self.original and not self._is_own(current)

    def _is_own(self, function: object) -> bool:
        """Return whether a function is the patched package's own, and so no wrapper on ours."""
        # Not by __module__, which a wrapper copies from the function.
        namespace = function.__globals__ if type(function) is FunctionType else {}
        return _package(str(namespace.get("__name__", ""))) == self.package

    def apply(self) -> None:
        """Put the wrapper on the name, unless it is applied. Does nothing for a missing name."""
        current = self.current
        # Another library may have put the wrapper back.
        self._installed |= current is not None and current is self.patched
        if current is None or self.applied:
            return
        if self.patched is None or current is not self.original:
            self.original = current
            self.patched = self._wrap(current)
        setattr(self.holder, self.name, self.patched)
        self._installed = True

    def _wrap(self, current: object) -> Any:
        if isinstance(current, staticmethod):
            name = f"{self.holder.__module__}:{self.holder.__qualname__}.{self.name}"
            wrapped = PatchedFunction(name, current.__func__, self._wrapper, self._is_enabled)
            return staticmethod(wrapped)
        if not isinstance(self.holder, ModuleType):
            return _patched_method(current, self._wrapper, self._is_enabled)
        name = f"{self.holder.__name__}:{self.name}"
        return PatchedFunction(name, current, self._wrapper, self._is_enabled)

    def revert(self) -> None:
        """
        Put the original object back, if the name refers to the wrapper.

        Another library's wrapper around ours stays, as that library needs it. Our wrapper inside
        does nothing by then. `apply` finds it there, and adds no second one.
        """
        if self.patched is not None and self.current is self.patched:
            if self.original is self._served:
                delattr(self.holder, self.name)
            else:
                setattr(self.holder, self.name, self.original)
        # Also if another library has removed the wrapper.
        self._installed &= self.current is not self.original


def holder_of(root: ModuleType, name: str) -> tuple[ModuleType | type, str]:
    """
    Return the module or class that holds a dotted name, and the name's last part.

    If another class defines the method, that class is returned. If a part of the name is missing,
    the result is `root` and the whole name.
    """
    *path, last = name.split(".")
    holder: Any = root
    for part in path:
        # Not getattr(): a module's __getattr__ may import a module that nobody needs.
        inner = vars(holder).get(part)
        if not isinstance(inner, (ModuleType, type)):
            # A function may hide the module of the same name.
            inner = sys.modules.get(f"{holder.__name__}.{part}")
        if inner is None:
            return root, name
        holder = inner
    return (_definer(holder, last) if isinstance(holder, type) else holder), last


def _definer(holder: type, name: str) -> type:
    """Return the class that defines a method; a facade may take the method from another class."""
    method = getattr(holder, name, None)
    path = f"{getattr(method, '__module__', '')}:{getattr(method, '__qualname__', '')}"
    try:
        definer = pkgutil.resolve_name(path.rpartition(".")[0])
    except (AttributeError, ImportError, ValueError):
        return holder
    return definer if isinstance(definer, type) and name in vars(definer) else holder


def apply_all(patches: Iterable[Patch]) -> None:
    """
    Apply patches, also to names that other modules imported before.

    Idempotent and thread-safe. Takes about 10 ms if 3,000 modules are loaded.
    """
    with _lock:
        for patch in (patches := list(patches)):
            patch.apply()
        wrapped = [patch for patch in patches if patch.patched is not None]
        _rebind({id(p.original): p.patched for p in wrapped}, outside=_packages(wrapped))


def revert_all(patches: Iterable[Patch]) -> None:
    """
    Put the originals back, in the holders and in all modules that hold a wrapper.

    Idempotent and thread-safe.
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
    Rebind names in loaded modules, including the ``__main__`` of a notebook.

    Args:
        replacements: The new object, by the ``id`` of the object that it replaces.
        outside: The packages that are not changed.
    """
    if not replacements:
        return
    for module_name, module in sys.modules.copy().items():
        # Not isinstance(): some objects in sys.modules only claim to be modules.
        if not issubclass(type(module), ModuleType) or _package(module_name) in outside:
            continue
        # Not vars(): the __getattribute__ of a lazy module loads that module.
        namespace = ModuleType.__getattribute__(module, "__dict__")
        # Other threads import modules meanwhile. copy() is atomic, a loop is not.
        held = namespace.copy()
        # One call: a debugger or a coverage tool makes a loop over all names slow.
        if replacements.keys().isdisjoint(map(id, held.values())):
            continue
        for name, value in held.items():
            if id(value) in replacements:
                namespace[name] = replacements[id(value)]
