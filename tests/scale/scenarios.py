"""What the workers are put through, in a full form and in a quick one."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scale.crew import PROCESSES, Crew
from scale.worker import spans_of

if TYPE_CHECKING:
    from scale.store import Arrived, Store

# With these nothing is dropped; docs/store-at-scale.md tells what each does.
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
    How many calls each process makes.

    Attributes:
        burst: As fast as it goes.
        paced: At half the rate that the server takes.
        outage: In each stretch with the server up, or down.
        states: Those stretches.
        unset: What stands for MLflow's defaults.
    """

    burst: int = 5000
    paced: int = 500
    outage: int = 250
    states: tuple[str, ...] = ("up", "down", "up", "down", "up")
    unset: dict[str, str] = field(default_factory=dict)


# A queue that is to the burst as MLflow's default is to the full one.
SMALL = {"MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE": "24"}
QUICK = Load(burst=120, paced=30, outage=10, states=("up", "down", "up"), unset=SMALL)
LOAD = QUICK if os.environ.get("SCALE_QUICK") else Load()


@dataclass(frozen=True)
class Run:
    """
    How one load went.

    Attributes:
        calls: How many calls all processes made together.
        spans: How many spans these were.
        arrived: What is in the database.
        searched: How many traces MLflow's search finds.
        rate: Calls a second, of all processes.
        flush_s: How long the slowest took to send the rest.
        stored_per_s: Traces a second that the server took, from the first call on.
        grown_mb: How much memory the calls took in the process that took most.
        dropped: How many calls' spans MLflow dropped, as ``mlflow_litellm.health()`` says.
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
    Have each process send one trace.

    MLflow asks a server's version once, and for three seconds. Where it gets no answer, as from a
    server that is flooded, that process puts spans into files from then on.
    """
    crew.wait(LIMIT_S)
    flood(crew, store, 1)


def flood(crew: Crew, store: Store, calls: int, rate: float | None = None) -> Run:
    """Have each process make calls, and send them."""
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
    """Have each process send what waits."""
    crew.order(flush=True)
    return crew.wait(LIMIT_S)


@dataclass(frozen=True)
class Outage:
    """
    How calls went with the server up, and down.

    Attributes:
        took_ms: What each call took, by the state of the server.
        flush_s: How long the slowest process took to send the rest, with the server up again.
        calls: How many calls there should have been.
        spans: How many spans.
        arrived: What is in the database.
    """

    took_ms: dict[str, list[float]]
    flush_s: float
    calls: int
    spans: int
    arrived: Arrived

    def percentile(self, state: str, number: int) -> float:
        """Return what so many of a hundred calls took at most, in milliseconds."""
        return statistics.quantiles(self.took_ms[state], n=100)[number - 1]


def interrupt(crew: Crew, store: Store, rate: float) -> Outage:
    """Have each process make calls at a rate, while the server goes away and comes back."""
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
