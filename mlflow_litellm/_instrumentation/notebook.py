"""
Show a trace below the notebook cell that made it, not below a later cell.

At the end of each cell, MLflow shows the traces that its exporter has received. Ended spans wait in
a queue for the exporter, until there are five spans or five seconds have passed.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any

from mlflow_litellm._instrumentation.stream_state import open_streams
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.mlflow_compat import span_processor

# IPython's event right before the one at which MLflow shows traces.
CELL_ENDED = "post_execute"
# The longest wait of a cell. Emptying the queue takes a millisecond, except while another thread
# flushes MLflow: MLflow then sends each span at once.
PATIENCE_S = 1.0


class Notebook:
    """
    The notebooks of the process, and the thread that empties MLflow's queue for them.

    The process has one instance. MLflow's lock guards `attach` and `detach`; the notebook ends one
    cell at a time.
    """

    def __init__(self) -> None:
        # Weak references: an embedded shell may end before the process.
        self._shells: weakref.WeakSet[Any] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def attach(self) -> None:
        """Empty MLflow's queue at the end of each cell, if this is a notebook. Is idempotent."""
        with guard("attaching to a notebook"):
            # No import: a notebook has imported IPython already.
            find = getattr(sys.modules.get("IPython"), "get_ipython", None)
            shell = find() if find else None
            if shell is not None and shell not in self._shells:
                shell.events.register(CELL_ENDED, self.empty_queue)
                self._shells.add(shell)

    def detach(self) -> None:
        """Empty the queue once more, and stop doing so at the end of each cell. Is idempotent."""
        if self._shells:
            self.empty_queue()
        while self._shells:
            with guard("detaching from a notebook"):
                self._shells.pop().events.unregister(CELL_ENDED, self.empty_queue)

    def empty_queue(self) -> None:
        """Send the spans in MLflow's queue to its exporter; return after a second at the latest."""
        with guard("showing traces below a cell"):
            # The notebook holds a stream that the cell left by ``break`` for good.
            open_streams.abandon_left()
            # If a thread still waits, a second one would wait too.
            if self._thread is None or not self._thread.is_alive():
                name = "mlflow-litellm-notebook"
                self._thread = threading.Thread(target=_empty, name=name, daemon=True)
                self._thread.start()
                self._thread.join(PATIENCE_S)


def _empty() -> None:
    with guard("showing traces below a cell"):
        if processor := span_processor():
            processor.force_flush()


notebook = Notebook()
