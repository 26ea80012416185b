"""The loads for the workers, in a full form and in a quick one."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scale.crew import PROCESSES, Crew
from scale.worker import spans_of

if TYPE_CHECKING:
    from scale.store import Arrived, Store

# No span is dropped with these settings, which docs/high-volume.md explains.
SETTINGS = {
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE": "20000",
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE": "100",
    "MLFLOW_ASYNC_TRACE_LOGGING_MAX_WORKERS": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
LIMIT_S = 1500.0


@dataclass(frozen=True)
class Load:
    """
    The number of calls that each process makes.

    Attributes:
        burst: At full speed.
        paced: At half the server's rate.
        outage: In each period with the server up or down.
        states: These periods.
        unset: Settings in the role of MLflow's defaults.
    """

    burst: int = 5000
    paced: int = 500
    outage: int = 250
    states: tuple[str, ...] = ("up", "down", "up", "down", "up")
    unset: dict[str, str] = field(default_factory=dict)


# A queue with the same ratio to the burst as MLflow's default to the full burst.
SMALL = {"MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE": "24"}
QUICK = Load(burst=120, paced=30, outage=10, states=("up", "down", "up"), unset=SMALL)
LOAD = QUICK if os.environ.get("SCALE_QUICK") else Load()


@dataclass(frozen=True)
class Run:
    """
    The result of one load.

    Attributes:
        calls: Number of calls of all processes.
        spans: Number of spans of these calls.
        arrived: Contents of the database.
        searched: Number of traces that MLflow's search finds.
        rate: Calls a second of all processes.
        flush_s: Time of the slowest process to send the rest.
        stored_per_s: Traces a second that the server stored, from the first call on.
        grown_mb: Largest growth of memory in a process during the calls.
        dropped: Number of calls whose spans MLflow dropped, from ``mlflow_litellm.health()``.
    """

    calls: int
    spans: int
    arrived: Arrived
    searched: int
    rate: float
    flush_s: float
    stored_per_s: float
    grown_mb: float
    dropped: int


def warm(crew: Crew, store: Store) -> None:
    """
    Make each process send one trace.

    MLflow requests a server's version once, for up to three seconds. Without a response, as from an
    overloaded server, the process writes spans into files from then on.
    """
    crew.wait(LIMIT_S)
    flood(crew, store, 1)


def flood(crew: Crew, store: Store, calls: int, rate: float | None = None) -> Run:
    """Make each process make calls, and send their traces."""
    experiment = store.experiment(f"{calls} calls of {id(crew)} at {rate}")
    crew.order(calls=calls, rate=rate, experiment=experiment)
    made = crew.wait(LIMIT_S)
    sent = send(crew)
    arrived = store.arrived(experiment)
    began = min(each["took"][0][0] for each in made)
    ended = max(each["began"] + each["seconds"] for each in sent)
    return Run(
        calls=calls * PROCESSES,
        spans=spans_of(calls) * PROCESSES,
        arrived=arrived,
        searched=store.searched(experiment),
        rate=sum(calls / each["seconds"] for each in made),
        flush_s=max(each["seconds"] for each in sent),
        stored_per_s=arrived.traces / (ended - began),
        grown_mb=max(after - before for before, after in (each["resident_mb"] for each in made)),
        dropped=sum(each["dropped"] for each in sent) - sum(each["dropped"] for each in made),
    )


def send(crew: Crew) -> list[dict[str, Any]]:
    """Make each process send the waiting traces."""
    crew.order(flush=True)
    return crew.wait(LIMIT_S)


@dataclass(frozen=True)
class Outage:
    """
    The results of calls with the server up and down.

    Attributes:
        took_ms: Duration of each call, by the state of the server.
        flush_s: Time of the slowest process to send the rest, with the server up again.
        calls: Expected number of calls.
        spans: Expected number of spans.
        arrived: Contents of the database.
    """

    took_ms: dict[str, list[float]]
    flush_s: float
    calls: int
    spans: int
    arrived: Arrived

    def percentile(self, state: str, number: int) -> float:
        """Return a percentile of the calls' durations, in milliseconds."""
        return statistics.quantiles(self.took_ms[state], n=100)[number - 1]


def interrupt(crew: Crew, store: Store, rate: float) -> Outage:
    """Make each process make calls at a rate, while the server is stopped and started."""
    experiment = store.experiment("outage")
    took: dict[str, list[float]] = {"up": [], "down": []}
    for state in LOAD.states:
        store.set_type(state)
        crew.order(calls=LOAD.outage, rate=rate, experiment=experiment)
        for each in crew.wait(LIMIT_S):
            took[state] += [1000 * seconds for _, seconds in each["took"]]
    flush_s = max(each["seconds"] for each in send(crew))
    stretches = len(LOAD.states) * PROCESSES
    calls, spans = LOAD.outage * stretches, spans_of(LOAD.outage) * stretches
    return Outage(took, flush_s, calls, spans, store.arrived(experiment))
