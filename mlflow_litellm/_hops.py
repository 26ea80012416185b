"""
Carries the enclosing call over to the threads that LiteLLM makes parts of it in.

LiteLLM gives them to an executor without their context: the calls of a batch, and all that is
async below a sync call in a running event loop. They would begin traces of their own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlflow_litellm import _nesting
from mlflow_litellm._patching import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

# Where LiteLLM waits for what it gives to threads. Not all of LiteLLM: its logging has a context
# of its own, or is meant to have none.
WAITING = frozenset(
    {
        "litellm.batch_completion.main",
        "litellm.litellm_core_utils.asyncify",
        "litellm.main",
    }
)
_BETWEEN = frozenset({"mlflow_litellm", "wrapt"})


def patch() -> Patch:
    """
    Return the patch of ``ThreadPoolExecutor.submit``, which acts below LiteLLM's calls alone.

    Nothing nearer would do: LiteLLM imports the executor where it needs it.
    """
    return Patch(ThreadPoolExecutor, "submit", _submit, _is_below_a_call)


def _is_below_a_call() -> bool:
    return _nesting.enclosing() is not None


def _submit(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    call = _nesting.enclosing()
    if call is None or not args or _nesting.caller(_BETWEEN) not in WAITING:
        return wrapped(*args, **kwargs)
    function, *rest = args
    return wrapped(_carrying(call, function), *rest, **kwargs)


def _carrying(call: _nesting.Enclosing, function: Callable[..., Any]) -> Callable[..., Any]:
    def carried(*args: Any, **kwargs: Any) -> Any:
        with call.active():
            return function(*args, **kwargs)

    return carried
