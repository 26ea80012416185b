"""Traces beyond a server's capacity, or during its outage, are stored or counted as lost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

# The other nox sessions lack psycopg2, and skip these tests.
pytest.importorskip("psycopg2", reason="psycopg2 is installed in the session 'scale' alone")

from scale.crew import PROCESSES
from scale.scenarios import LOAD, Outage, Run, flood, interrupt

if TYPE_CHECKING:
    from scale.crew import Crew
    from scale.store import Store

pytestmark = pytest.mark.timeout(3000)


@pytest.fixture(scope="module")
def burst(tuned: Crew, store: Store) -> Run:
    """Make calls at full speed, with the production settings."""
    return flood(tuned, store, LOAD.burst)


@pytest.fixture(scope="module")
def flooded(burst: Run, unset: Crew, store: Store) -> Run:
    """Make calls at full speed, with MLflow's defaults."""
    return flood(unset, store, LOAD.burst)


@pytest.fixture(scope="module")
def paced(burst: Run, flooded: Run, unset: Crew, store: Store) -> Run:
    """Make calls with MLflow's defaults, at half the rate that the server stored."""
    return flood(unset, store, LOAD.paced, rate_of(burst))


@pytest.fixture(scope="module")
def outage(burst: Run, paced: Run, tuned: Crew, store: Store) -> Outage:
    """Make calls with the production settings, while the server is stopped and started."""
    return interrupt(tuned, store, rate_of(burst))


def rate_of(burst: Run) -> float:
    """Return the calls a second of one process that use half the server's capacity."""
    return burst.stored_per_s / PROCESSES / 2


def everything(made: Run | Outage) -> tuple[int, ...]:
    """Return the counts without any loss, in the order of ``Arrived``."""
    return made.calls, made.calls, made.calls, 0, made.spans


def test_settings_lose_nothing(burst: Run, tuned: Crew) -> None:
    """With the production settings no trace or span is lost, with each process at full speed."""
    assert burst.arrived[:5] == everything(burst)
    assert burst.searched == burst.calls
    assert tuned.complained == 0


def test_defaults_drop_what_their_queue_cannot_hold(flooded: Run, unset: Crew) -> None:
    """With the defaults MLflow logs a full queue in each process, and stored traces are found."""
    assert unset.complained == PROCESSES
    assert flooded.arrived.whole < flooded.calls
    assert flooded.searched == flooded.arrived.traces


def test_what_is_dropped_is_counted(flooded: Run, burst: Run) -> None:
    """Every call is stored, or is counted as lost by ``mlflow_litellm.health()``."""
    assert flooded.calls == flooded.arrived.calls + flooded.dropped
    assert burst.dropped == 0


def test_defaults_keep_up_with_half_the_rate(paced: Run) -> None:
    """With the defaults all traces arrive at half the rate that the server can store."""
    assert paced.arrived[:5] == everything(paced)


def test_calls_do_not_wait_for_a_server_that_is_away(outage: Outage) -> None:
    """Calls get responses about as fast during the outage. The limits are far above noise."""
    assert sum(map(len, outage.took_ms.values())) == outage.calls
    assert outage.percentile("down", 50) < 2 * outage.percentile("up", 50) + 5
    assert outage.percentile("down", 99) < 3 * outage.percentile("up", 99) + 50


def test_what_was_traced_meanwhile_arrives(outage: Outage) -> None:
    """Traces of calls during the outage arrive once the server is up."""
    assert outage.arrived[:5] == everything(outage)


def test_figures(
    burst: Run, flooded: Run, paced: Run, outage: Outage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Print the figures for the documentation."""
    runs = {"settings": burst, "defaults": flooded, "defaults, paced": paced}
    with capsys.disabled():
        sys.stdout.write(f"\n{table(runs)}\n\n{times(outage)}\n")


def table(runs: dict[str, Run]) -> str:
    """Return a table of the runs' results."""
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
    """Return a table of the calls' durations with the server up, and down."""
    lines = ["| server | half of the calls within | 99 of 100 within |", "| --- | --- | --- |"]
    for state in ("up", "down"):
        half, most = (outage.percentile(state, number) for number in (50, 99))
        lines.append(f"| {state} | {half:.2f} ms | {most:.2f} ms |")
    return "\n".join([*lines, "", f"The rest was sent in {outage.flush_s:.1f} s."])
