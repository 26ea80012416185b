"""
Find the LiteLLM code that makes a call, past the wrappers of other libraries.

A wrapper that another library has put on a function of LiteLLM, and a user's callback, look the
same on the stack: LiteLLM calls them, and they make the call. But LiteLLM calls the wrapper by the
name of the function, so the code of the object with this name runs. A callback runs other code.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Libraries that LiteLLM uses to call its own functions: to wait for them, and to retry them.
LIBRARIES_OF_LITELLM = frozenset({"asyncio", "tenacity"})
_OWN = frozenset({"mlflow_litellm", "wrapt"})
_MAX_WRAPPERS = 20
# Python implementations other than CPython may lack it.
_getframe: Any = getattr(sys, "_getframe", None)

# Modules of MLflow that call LiteLLM for MLflow's own purposes. Not all of mlflow.genai: it also
# calls the user's functions, which may be LiteLLM's functions or those of a library below.
OWN = (
    "mlflow.genai.judges.",
    "mlflow.genai.optimize.job",
    "mlflow.genai.optimize.optimizers.",
    "mlflow.genai.scorers.deepeval",
    "mlflow.genai.scorers.guardrails",
    "mlflow.genai.scorers.llm_backend",
    "mlflow.genai.scorers.phoenix",
    "mlflow.genai.scorers.ragas",
    "mlflow.genai.scorers.trulens",
)

# Packages that call LiteLLM on behalf of others, such as the modules above, and the packages that
# they run on.
CARRIERS = frozenset(
    {
        "asyncio",
        "deepeval",
        "dspy",
        "gepa",
        "guardrails",
        "instructor",
        "litellm",
        "mlflow_litellm",
        "phoenix",
        "ragas",
        "tenacity",
        "trulens",
        "wrapt",
    }
)

# Runs coroutines for scorers and for the user's functions, so its caller decides.
HELPERS = "mlflow.genai.utils."

# Frames that are read at most: more than one only for calls that come through carriers. A frame
# takes 0.2 us.
MAX_STEPS = 100


def litellm_caller(
    functions: Callable[[Any], list[Any]],
    *,
    through: frozenset[str] = frozenset(),
    thread_function: object = None,
) -> str | None:
    """
    Return the module of LiteLLM that makes the call of a patched function.

    Args:
        functions: Takes the frame of LiteLLM's code, and returns the objects that it may have
            called. The code of each, and of the functions that it wraps, is passed over.
        through: Packages that are passed over too.
        thread_function: The function that a thread runs if LiteLLM submitted a function to it.

    Returns:
        The name of the module; empty in such a thread; None if other code makes the call, or if
        the stack cannot be read.
    """
    passed_over = _OWN | through
    thread_code = getattr(thread_function, "__code__", None)
    called = None
    frame: Any = _getframe(1) if _getframe else None
    while frame is not None:
        if frame.f_code is thread_code:
            return ""
        name = str(frame.f_globals.get("__name__"))
        package = name.partition(".")[0]
        if package == "litellm":
            is_by_litellm = called is None or _is_code_of(called, functions(frame))
            return name if is_by_litellm else None
        if package not in passed_over:
            called = frame.f_code
        frame = frame.f_back
    return None


def _is_code_of(code: object, functions: list[Any]) -> bool:
    return any(code is each for function in functions for each in _codes(function))


def _codes(function: object) -> Iterator[Any]:
    """Yield the code of a function, and of those that it wraps."""
    # A mock has every attribute, so its `__wrapped__` never ends.
    for _ in range(_MAX_WRAPPERS):
        if function is None:
            return
        for each in (function, getattr(function, "_self_wrapper", None)):
            yield getattr(each, "__code__", None)
            method = getattr(type(each), "__call__", None)  # noqa: B004 - Its code is needed.
            yield getattr(method, "__code__", None)
        function = getattr(function, "__wrapped__", None)


def is_mlflows_own() -> bool:
    """
    Return whether MLflow makes the present call for its own purposes, such as a judge.

    The nearest frame on the stack that is not a carrier's decides. So a call that the user's code
    makes is the user's, also if MLflow called that code. Call this only from the predicate that
    wrapt calls. If the stack cannot be read, the result is False.
    """
    # Not _getframe(2): a thread may begin with the call, and then that frame does not exist.
    frame: Any = _getframe(1).f_back if _getframe else None
    for _ in range(MAX_STEPS):
        name = frame and frame.f_globals.get("__name__")
        if not isinstance(name, str):
            return False
        if name.partition(".")[0] not in CARRIERS and not name.startswith(HELPERS):
            return name.startswith(OWN)
        frame = frame.f_back
    return False
