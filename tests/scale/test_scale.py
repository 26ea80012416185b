"""What arrives of more calls than a server takes at once, and of those made while it is away."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

# Tests of other sessions have none; theirs must not wait for this one.
pytest.importorskip("psycopg2", reason="psycopg2 is installed in the session 'scale' alone")

from scale.crew import PROCESSES
from scale.scenarios import LOAD, Outage, Run, flood, interrupt

if TYPE_CHECKING:
    from scale.crew import Crew
    from scale.store import Store

pytestmark = pytest.mark.timeout(3000)


@pytest.fixture(scope="module")
def burst(tuned: Crew, store: Store) -> Run:
    """Make calls as fast as it goes, with the settings."""
    return flood(tuned, store, LOAD.burst)


@pytest.fixture(scope="module")
def flooded(burst: Run, unset: Crew, store: Store) -> Run:
    """Make them with MLflow's defaults."""
    return flood(unset, store, LOAD.burst)


@pytest.fixture(scope="module")
def paced(burst: Run, flooded: Run, unset: Crew, store: Store) -> Run:
    """Make them with MLflow's defaults, at half the rate that the server took."""
    return flood(unset, store, LOAD.paced, rate_of(burst))


@pytest.fixture(scope="module")
def outage(burst: Run, paced: Run, tuned: Crew, store: Store) -> Outage:
    """Make them with the settings, while the server goes away and comes back."""
    return interrupt(tuned, store, rate_of(burst))


def rate_of(burst: Run) -> float:
    """Return how many calls a second a process makes that is to leave the server half idle."""
    return burst.stored_per_s / PROCESSES / 2


def everything(made: Run | Outage) -> tuple[int, ...]:
    """Return what there is where nothing is lost, in the order of ``Arrived``."""
    return made.calls, made.calls, made.calls, 0, made.spans


def test_settings_lose_nothing(burst: Run, tuned: Crew) -> None:
    """Neither of a trace nor of its spans, with each process at full speed."""
    assert burst.arrived[:5] == everything(burst)
    assert burst.searched == burst.calls
    assert tuned.complained == 0


def test_defaults_drop_what_their_queue_cannot_hold(flooded: Run, unset: Crew) -> None:
    """In each process MLflow says so; what has arrived is found."""
    assert unset.complained == PROCESSES
    assert flooded.arrived.whole < flooded.calls
    assert flooded.searched == flooded.arrived.traces


def test_what_is_dropped_is_counted(flooded: Run, burst: Run) -> None:
    """Every call is stored, or is counted as lost by ``mlflow_litellm.health()``."""
    assert flooded.calls == flooded.arrived.calls + flooded.dropped
    assert burst.dropped == 0


def test_defaults_keep_up_with_half_the_rate(paced: Run) -> None:
    """All arrives that is made as fast as a server can take it."""
    assert paced.arrived[:5] == everything(paced)


def test_calls_do_not_wait_for_a_server_that_is_away(outage: Outage) -> None:
    """Each is answered, about as fast as before; the bounds are such as noise does not reach."""
    assert sum(map(len, outage.took_ms.values())) == outage.calls
    assert outage.percentile("down", 50) < 2 * outage.percentile("up", 50) + 5
    assert outage.percentile("down", 99) < 3 * outage.percentile("up", 99) + 50


def test_what_was_traced_meanwhile_arrives(outage: Outage) -> None:
    """Once the server is back."""
    assert outage.arrived[:5] == everything(outage)


def test_figures(
    burst: Run, flooded: Run, paced: Run, outage: Outage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints what the documentation has."""
    runs = {"settings": burst, "defaults": flooded, "defaults, paced": paced}
    with capsys.disabled():
        sys.stdout.write(f"\n{table(runs)}\n\n{times(outage)}\n")


def table(runs: dict[str, Run]) -> str:
    """Return what became of the calls."""
    columns = "calls|a second|traces|whole|calls there|by file|spans there|uploads|dropped|to flush"
    columns = f"| |{columns}|stored a second|memory|"
    lines = [columns, "| --- " * (columns.count("|") - 1) + "|"]
    for name, run in runs.items():
        there = run.arrived
        lines.append(
            f"| {name} | {run.calls} | {run.rate:.0f} | {there.traces} | {there.whole} "
            f"| {there.calls} | {there.filed} | {there.spans} | {there.uploads} | {run.dropped} "
            f"| {run.flush_s:.1f} s | {run.stored_per_s:.0f} | {run.grown_mb:.0f} MB |"
        )
    return "\n".join(lines)


def times(outage: Outage) -> str:
    """Return what calls took with the server up, and down."""
    lines = ["| server | half of the calls within | 99 of 100 within |", "| --- | --- | --- |"]
    for state in ("up", "down"):
        half, most = (outage.percentile(state, number) for number in (50, 99))
        lines.append(f"| {state} | {half:.2f} ms | {most:.2f} ms |")
    return "\n".join([*lines, "", f"The rest was sent in {outage.flush_s:.1f} s."])
