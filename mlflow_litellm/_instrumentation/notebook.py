"""
Shows a trace below the notebook cell that made it, and not below a later one.

At the end of each cell MLflow shows the traces that its exporter has taken by then. Spans that have
ended wait for that in a queue, until there are five of them or five seconds have passed.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any

from mlflow_litellm._instrumentation.stream_state import abandon_left
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.mlflow_compat import span_processor

# IPython's event right before the one at which MLflow shows traces.
CELL_ENDED = "post_execute"
# How long a cell may wait: emptying the queue takes a millisecond, unless MLflow is being flushed
# elsewhere and so sends what it is given at once.
PATIENCE_S = 1.0

# Weak, as a shell that somebody embeds ends before the process does.
_shells: weakref.WeakSet[Any] = weakref.WeakSet()
_emptying: threading.Thread | None = None


def attach() -> None:
    """Empty MLflow's queue at the end of each cell, where there is a notebook. Is idempotent."""
    with guard("attaching to a notebook"):
        # Not imported: where there is a notebook, IPython is.
        find = getattr(sys.modules.get("IPython"), "get_ipython", None)
        shell = find() if find else None
        if shell is not None and shell not in _shells:
            shell.events.register(CELL_ENDED, empty_queue)
            _shells.add(shell)


def detach() -> None:
    """Leave the ends of cells alone, but for what the present one has traced. Is idempotent."""
    if _shells:
        empty_queue()
    while _shells:
        with guard("detaching from a notebook"):
            _shells.pop().events.unregister(CELL_ENDED, empty_queue)


def empty_queue() -> None:
    """Have MLflow's exporter take what waits for it; return after a second at the latest."""
    global _emptying
    with guard("showing traces below a cell"):
        # A stream that the cell left by ``break`` is held by the notebook for good.
        abandon_left()
        # One that is held up would hold up the next too.
        if _emptying is None or not _emptying.is_alive():
            _emptying = threading.Thread(target=_empty, name="mlflow-litellm-notebook", daemon=True)
            _emptying.start()
            _emptying.join(PATIENCE_S)


def _empty() -> None:
    with guard("showing traces below a cell"):
        if processor := span_processor():
            processor.force_flush()
