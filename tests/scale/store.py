"""MLflow's server on PostgreSQL, which can be stopped and started, and its stored traces."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow import MlflowClient
from processes import STARTING_S, Process, free_port, until

from scale.worker import OWN

if TYPE_CHECKING:
    from scale.postgres import Cluster

SERVER_WORKERS = 2
PAGE = 500


class Arrived(NamedTuple):
    """
    The stored data of an experiment.

    Attributes:
        traces: Number of traces.
        whole: Number of traces with their root span and the data that MLflow sends at their end.
        calls: Number of spans of LiteLLM's calls.
        filed: Number of these in a file only, as MLflow dropped the span but not the trace.
        spans: Number of spans, including the caller's own.
        uploads: Number of traces in a file, in addition to the database or instead of it.
    """

    traces: int
    whole: int
    calls: int
    filed: int
    spans: int
    uploads: int


class Store:
    """
    A server that keeps its address and data after a restart.

    Args:
        cluster: The cluster with its database.
        folder: Its working directory.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: Process | None = None

    def set_type(self, state: str) -> None:
        """Set the state to ``up``, in which the server responds, or to ``down``."""
        if state == "up" and self._process is None:
            self._process = self._start()
        elif state == "down" and self._process is not None:
            self._process.stop()
            self._process = None

    def _start(self) -> Process:
        mlflow = str(Path(sys.executable).with_name("mlflow"))
        server = Process(
            [mlflow, "server", "--host", "127.0.0.1", "--port", str(self._port),
             "--workers", str(SERVER_WORKERS), "--backend-store-uri", self._cluster.uri,
             "--artifacts-destination", str(self._folder / "artifacts")],
            self._folder,
            {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )  # fmt: skip
        until(lambda: server.answers(f"{self.uri}/health"), STARTING_S, "the tracking server")
        return server

    def experiment(self, name: str) -> str:
        """Create an experiment, and return its id."""
        return str(MlflowClient(self.uri).create_experiment(name))

    def searched(self, experiment: str) -> int:
        """Return the number of traces that MLflow's public search finds, page by page."""
        client, token, count = MlflowClient(self.uri), None, 0
        while True:
            page = client.search_traces(
                locations=[experiment], max_results=PAGE, page_token=token, include_spans=False
            )
            count, token = count + len(page), page.token
            if not token:
                return count

    def arrived(self, experiment: str) -> Arrived:
        """Count the stored data in the database itself and in files."""
        traces = self._cluster.ask(
            "SELECT request_id FROM trace_info WHERE experiment_id = %s", experiment
        )
        ended = self._cluster.ask(
            "SELECT request_id FROM trace_info JOIN trace_request_metadata USING (request_id) "
            "WHERE key = 'mlflow.trace.infoFinalized' AND experiment_id = %s", experiment
        )  # fmt: skip
        rows = self._cluster.ask(
            "SELECT trace_id, name, parent_span_id FROM spans WHERE experiment_id = %s", experiment
        )
        files = self._files(experiment)
        # A file has all spans of a trace, some of which may also be in the database.
        stored = {(trace, name) for trace, name, _ in rows}
        alone = [row for row in files if row[:2] not in stored]
        spans = rows + alone
        roots = {trace for trace, _, parent in spans if parent is None}
        return Arrived(
            traces=len(traces),
            whole=len(roots & {trace for (trace,) in ended}),
            calls=sum(name != OWN for _, name, _ in spans),
            filed=sum(name != OWN for _, name, _ in alone),
            spans=len(spans),
            uploads=len({trace for trace, *_ in files}),
        )

    def _files(self, experiment: str) -> list[tuple[Any, ...]]:
        """Return the spans in files, in the columns of those in the database."""
        return [
            (file.parts[-3], span["name"], span["parent_span_id"] or None)
            for file in (self._folder / "artifacts" / experiment).rglob("traces.json")
            for span in json.loads(file.read_text(encoding="utf-8"))["spans"]
        ]
