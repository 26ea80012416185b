"""Starts the processes that make the calls, and lets only one run at a time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from processes import BESIDE, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bench.variants import Variant

LIMIT_S = 900.0
# Keeps spans until they are requested.
HELD = {
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "3600000",
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE": "2048",
}
MAKE_STORE = "import mlflow; mlflow.set_experiment('bench')"


def environment(store: Path, **more: str) -> dict[str, str]:
    """Return a process's environment, with a store of its own."""
    uri = f"sqlite:///{store}"
    return clean_environment(MLFLOW_TRACKING_URI=uri, **BESIDE, **more)


def empty_store(folder: Path) -> Path:
    """Return a store without traces, and make it if it does not exist: that takes seconds."""
    store = folder / "empty.db"
    if not store.exists():
        command = [sys.executable, "-c", MAKE_STORE]
        subprocess.run(command, env=environment(store), cwd=folder, check=True)
    return store


class Worker:
    """
    A process that traces in one way; it is stopped between commands.

    Args:
        variant: How it traces.
        folder: The folder of its store and its log.
        export: Settings of MLflow's export.
        flags: Arguments of its command beside the variant.
    """

    def __init__(
        self, variant: Variant, folder: Path, export: dict[str, str], flags: Iterable[str] = ()
    ) -> None:
        self.variant = variant
        store = folder / f"{variant.key}.db"
        shutil.copy(empty_store(folder), store)
        self.log = folder / f"{variant.key}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.worker", variant.key, *flags],
                env=environment(store, **export, **variant.environment),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def ready(self) -> None:
        """Wait until it has started, and stop it."""
        self._line()
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, **command: Any) -> Any:
        """Let it run a command, and return the result."""
        assert self.process.stdin
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        told = self._line()
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(told)

    def _line(self) -> bytes:
        stdout = self.process.stdout
        assert stdout
        select.select([stdout], [], [], LIMIT_S)
        os.set_blocking(stdout.fileno(), False)
        line = stdout.readline()
        if not line or not line.endswith(b"\n"):
            msg = f"{self.variant.key}: {self.log.read_text(errors='replace')[-4000:]}"
            raise RuntimeError(msg)
        return line

    def stop(self) -> None:
        """End the process, without its unexported traces."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                # The last command, which it has not read.
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@contextlib.contextmanager
def workers(
    variants: Iterable[Variant], folder: Path, export: dict[str, str], *flags: str
) -> Iterator[dict[str, Worker]]:
    """Start a worker for each variant; stop all at the end of the block."""
    empty_store(folder)
    started: dict[str, Worker] = {}
    try:
        for variant in variants:
            started[variant.key] = Worker(variant, folder, export, flags)
        for worker in started.values():
            worker.ready()
        yield started
    finally:
        for worker in started.values():
            worker.stop()
