"""
Describes values as a program can see them, in JSON, so that two runs can be compared.

Values that differ between any two runs (addresses, times, generated ids) get a common form: ids are
numbered in order of appearance, so that equal ids stay equal, and different ids stay different.
"""

from __future__ import annotations

import collections.abc
import contextlib
import datetime as dt
import functools
import inspect
import re
import time
import traceback
import types
import weakref
from pathlib import Path
from typing import Any

from differential.allowances import WRAPPERS

ABCS = [
    getattr(module, name)
    for module, names in (
        (collections.abc, collections.abc.__all__),
        (contextlib, ["AbstractContextManager", "AbstractAsyncContextManager"]),
    )
    for name in names
]
DEEPEST = 7
# Ids, addresses and dates. Timestamps such as `created` are recognized by their size.
DRAWN = re.compile(
    r"0x[0-9a-f]+"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b(?:chatcmpl|cmpl|resp|msg|rs|fc|call|batch|embd|gen)[-_][A-Za-z0-9=_-]{9,}"
    r"|\b[0-9a-f]{32,64}\b"
    r"|(?<=127\.0\.0\.1:)\d+"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*"
    r"|(?<=Task-)\d+"
)
DAY_S = 86_400
# Numbers with these names are durations.
MEASURED = re.compile(r"(_ms|duration|latency|elapsed|overhead|_time|_seconds|timings?)$")
FRAMES = re.compile(rf'(?m)^  File "[^"\n]*/(?:{"|".join(WRAPPERS)})/[^\n]*\n(?: {{4}}[^\n]*\n)*')
# Objects of these packages are described by their attributes.
OPENED = ("litellm", "openai", "differential", "__main__", "types", "argparse")
# A thread of LiteLLM adds it to the metadata of a call, at any time after the call.
ADDED_LATER = ("metadata", "hidden_params")
# LiteLLM's internal objects for a call, with times, threads and clients. Described by name only.
CLOSED = ("Logging", "LLMCachingHandler", "LiteLLMLoggingObj")


class Describer:
    """Describes the values of one run."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._seen: list[Any] = []
        self._here = re.escape(str(Path.cwd()))
        # LiteLLM's threads may be the first to import the module of a name.
        self._now = time.time()

    def text(self, text: str) -> str:
        """Return a text with the generated values of this run replaced by numbers."""
        text = FRAMES.sub("", re.sub(self._here, "<here>", text))
        return DRAWN.sub(self._numbered, text)

    def _numbered(self, match: re.Match[str]) -> str:
        return f"<{self._ids.setdefault(match[0], len(self._ids))}>"

    def number(self, value: float, name: str) -> Any:
        """Return a number, or a placeholder for a timestamp or duration."""
        if isinstance(value, bool):
            return value
        scales = (1, 1e3, 1e6, 1e9)
        if any(abs(value / scale - self._now) < DAY_S for scale in scales):
            return "<now>"
        if MEASURED.search(name) and value:
            return "<measured>"
        return repr(value) if isinstance(value, float) else value

    def identity(self, value: Any) -> int:
        """Return the number of an object, which is the same for the same object."""
        for number, kept in enumerate(self._seen):
            if (kept() if isinstance(kept, weakref.ref) else kept) is value:
                return number
        try:
            self._seen.append(weakref.ref(value))
        except TypeError:
            self._seen.append(value)
        return len(self._seen) - 1

    def alive(self) -> list[int]:
        """Return the numbers of the weakly referenced objects that are still alive."""
        watched = ((n, kept) for n, kept in enumerate(self._seen) if isinstance(kept, weakref.ref))
        return [number for number, kept in watched if kept() is not None]

    def __call__(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """Describe a value that was found under `name`."""
        if value is None or isinstance(value, bool):
            return value
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind in {int, float}:
            return self.number(value, name)
        if depth > DEEPEST:
            return f"<{value.__class__.__name__}>"
        return {"type": _named(value.__class__), **self._inside(value, name, depth + 1)}

    def _inside(self, value: Any, name: str, depth: int) -> dict[str, Any]:  # noqa: PLR0911 - A kind each.
        within = functools.partial(self, depth=depth)
        if isinstance(value, BaseException):
            return self.exception(value, depth)
        if isinstance(value, (str, bytes)):
            return {"value": self.text(str(value))}
        if isinstance(value, (dt.datetime, dt.timedelta)):
            return {}
        if isinstance(value, dict):
            items = [(k, v) for k, v in list(value.items()) if (name, k) != ADDED_LATER]
            return {"items": [[within(k), within(v, str(k))] for k, v in items]}
        if isinstance(value, (list, tuple)):
            return {"items": [within(item, name) for item in list(value)]}
        if isinstance(value, (set, frozenset)):
            return {"items": sorted(str(within(item)) for item in value)}
        if isinstance(value, (type, types.ModuleType)) or inspect.isroutine(value):
            return {"named": _named(value)}
        return self._object(value, within)

    def _object(self, value: Any, within: Any) -> dict[str, Any]:
        kind = value.__class__
        if hasattr(value, "__next__") or hasattr(value, "__anext__"):
            return self.stream(value)
        package = kind.__module__.partition(".")[0]
        if package not in OPENED:
            return {}
        fields = {
            **getattr(value, "__dict__", {}),
            **(getattr(value, "__pydantic_extra__", None) or {}),
            **(getattr(value, "__pydantic_private__", None) or {}),
        }
        if kind.__name__ in CLOSED:
            return {"fields": sorted(fields)}
        return {
            "fields": [[key, within(field, key)] for key, field in fields.items()],
            "set": sorted(getattr(value, "__pydantic_fields_set__", ())),
        }

    def stream(self, value: Any) -> dict[str, Any]:
        """Describe the interface of a stream, without reading it."""
        return {
            "dir": sorted(set(dir(value)) - {"__slotnames__"}),
            "abcs": [each.__name__ for each in ABCS if isinstance(value, each)],
            "fields": sorted(getattr(value, "__dict__", {})),
            "text": self.text(repr(value)),
            "doc": value.__doc__,
            "coroutine": inspect.iscoroutine(value),
            "asyncgen": inspect.isasyncgen(value),
            "generator": inspect.isgenerator(value),
        }

    def exception(self, error: BaseException, depth: int = 0) -> dict[str, Any]:
        """Describe an exception with its attributes, cause and context."""
        if depth > DEEPEST:
            return {}
        within = functools.partial(self, depth=depth + 1)
        begun = [(f, at) for f, at in traceback.walk_tb(error.__traceback__) if _has_begun(f, at)]
        frames = traceback.StackSummary.extract(iter(begun))
        return {
            "args": within(list(error.args)),
            "text": self.text(str(error)),
            "fields": {k: within(v, k) for k, v in sorted(vars(error).items())},
            "notes": within(getattr(error, "__notes__", None)),
            "cause": within(error.__cause__),
            "context": within(error.__context__),
            "suppressed": error.__suppress_context__,
            "frames": [f.name for f in frames if not any(f"/{w}/" in f.filename for w in WRAPPERS)],
        }

    def function(self, function: Any) -> dict[str, Any]:
        """Describe the properties of a function that a program can inspect."""
        return {
            question: self(outcome(functools.partial(ask, function)), question)
            for question, ask in QUESTIONS.items()
        }


def outcome(call: Any) -> Any:
    """Return the result of a call, or its exception."""
    try:
        return call()
    except Exception as error:
        return error


def _has_begun(frame: types.FrameType, line: int) -> bool:
    # A coroutine that is cancelled before it begins fails at its first line. Traced, LiteLLM's own
    # coroutine is not even made.
    return line != frame.f_code.co_firstlineno


def _named(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}"


QUESTIONS = {
    "signature": lambda f: str(inspect.signature(f)),
    "hints": lambda f: sorted(map(str, f.__annotations__)),
    "name": lambda f: f.__name__,
    "qualname": lambda f: f.__qualname__,
    "module": lambda f: f.__module__,
    "doc": lambda f: f.__doc__,
    "text": repr,
    "class": lambda f: f.__class__,
    "code": lambda f: f.__code__.co_name,
    "defaults": lambda f: repr(f.__defaults__),
    "keyword defaults": lambda f: sorted(f.__kwdefaults__ or ()),
    "globals": lambda f: f.__globals__["__name__"],
    "closure": lambda f: len(f.__closure__ or ()),
    "dir": dir,
    "dict": lambda f: sorted(vars(f)),
    "file": inspect.getsourcefile,
    "source": lambda f: len(inspect.getsource(f)),
    "unwrapped": lambda f: inspect.unwrap(f).__name__,
    "function": inspect.isfunction,
    "routine": inspect.isroutine,
    "method": inspect.ismethod,
    "coroutine function": inspect.iscoroutinefunction,
    "asyncgen function": inspect.isasyncgenfunction,
    "generator function": inspect.isgeneratorfunction,
    "abcs": lambda f: [each.__name__ for each in ABCS if isinstance(f, each)],
    "copies": lambda f: __import__("copy").copy(f) is f,
    "deep copies": lambda f: __import__("copy").deepcopy(f) is f,
    "pickles": lambda f: len(__import__("pickle").dumps(f)) > 0,
    "hashes": lambda f: {f: 1}[f],
    "equal": lambda f: (f == f, f != f, f == 1),  # noqa: PLR0124
    "true": bool,
    "weak": lambda f: weakref.ref(f)() is f,
}
