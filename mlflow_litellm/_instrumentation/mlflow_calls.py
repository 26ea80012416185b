"""Tells the calls that MLflow makes for itself from those that it has the user's code make."""

from __future__ import annotations

import sys
from typing import Any

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

# Other Pythons may lack it.
_getframe: Any = getattr(sys, "_getframe", None)


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
