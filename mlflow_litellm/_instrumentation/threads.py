"""
Pass the current call to the threads in which LiteLLM makes inner calls.

LiteLLM submits inner calls to an executor without their context: the calls of a batch, and async
calls below a sync call in a running event loop. They would begin traces of their own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlflow_litellm._common.patching import Patch
from mlflow_litellm._instrumentation import context
from mlflow_litellm._instrumentation.callers import litellm_caller
from mlflow_litellm._tracing.guard import guard

# The modules in which LiteLLM waits for its threads. Not all of LiteLLM: its logging has a context
# of its own, or must have none.
WAITING = frozenset(
    {
        "litellm.batch_completion.main",
        "litellm.litellm_core_utils.asyncify",
        "litellm.main",
    }
)


def submit_patch() -> Patch:
    """
    Return the patch of ``ThreadPoolExecutor.submit``, which acts only within LiteLLM's calls.

    No narrower patch is possible: LiteLLM imports the executor inside its functions.
    """
    return Patch(ThreadPoolExecutor, "submit", _submit, _is_below_a_call)


def _is_below_a_call() -> bool:
    return context.current_call() is not None


def _submit(wrapped: Any, executor: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    call = context.current_call()
    if call is not None and args and _is_waited_for(executor):
        return wrapped(context.run_below, call, *args, **kwargs)
    return wrapped(*args, **kwargs)


def _is_waited_for(executor: object) -> bool:
    with guard("finding the caller of an executor"):
        submit = getattr(type(executor), "submit", None)
        return litellm_caller(lambda _: [submit]) in WAITING
    return False
