"""
Find the LiteLLM code that makes a call, past the wrappers of other libraries.

A wrapper that another library has put on a function of LiteLLM, and a user's callback, look the
same on the stack: LiteLLM calls them, and they make the call. But LiteLLM calls the wrapper by the
name of the function, so it runs the code of the object that has this name. A callback runs other
code.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Libraries through which LiteLLM calls its own functions: to wait for them, and to retry them.
LIBRARIES_OF_LITELLM = frozenset({"asyncio", "tenacity"})
_OWN = frozenset({"mlflow_litellm", "wrapt"})
_MAX_WRAPPERS = 20
# Other Pythons may lack it.
_getframe: Any = getattr(sys, "_getframe", None)

# What of MLflow has LiteLLM called for its own ends. Not all of MLflow, nor all of mlflow.genai:
# that also calls the user's functions, which may be LiteLLM's very own, or a library's below.
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

# Packages that call LiteLLM when others tell them to, as those above do, and what they run on.
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

# Has coroutines run, for scorers as for the user's functions, so that its caller decides.
HELPERS = "mlflow.genai.utils."

# Only calls that come through carriers are followed further than one step. A step takes 0.2 us.
MAX_STEPS = 100


def litellm_caller(
    functions: Callable[[Any], list[Any]],
    *,
    through: frozenset[str] = frozenset(),
    thread_function: Any = None,
) -> str | None:
    """
    Return the module of LiteLLM that makes the call of a patched function.

    Args:
        functions: Returns the objects that LiteLLM may have called, given the frame of its code.
            The code of each, and of the functions that it wraps, is passed over.
        through: Packages that are passed over too.
        thread_function: A function that a thread runs if LiteLLM gave it a function to run.

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


def _is_code_of(code: Any, functions: list[Any]) -> bool:
    return any(code is each for function in functions for each in _codes(function))


def _codes(function: Any) -> Iterator[Any]:
    """Yield the code of a function, and of those that it wraps."""
    # A mock has every attribute, and so no end of wrapped functions.
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
    Tell whether the call of LiteLLM now being made is one of MLflow's judges and the like.

    Decided by the module of the nearest code on the stack that is no carrier's. So what the
    user's code does is the user's, whoever called it. To be asked by the predicate that wrapt
    calls; where the stack cannot be read, no call is MLflow's own.
    """
    # Not _getframe(2): a thread may begin with the call, and then there is no such frame.
    frame: Any = _getframe(1).f_back if _getframe else None
    for _ in range(MAX_STEPS):
        name = frame and frame.f_globals.get("__name__")
        if not isinstance(name, str):
            return False
        if name.partition(".")[0] not in CARRIERS and not name.startswith(HELPERS):
            return name.startswith(OWN)
        frame = frame.f_back
    return False
