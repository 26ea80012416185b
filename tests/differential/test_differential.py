"""One program, run with tracing off and on: all that it can see must be the same."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, seed, settings

from differential.corpus import CORPUS
from differential.grammar import programs
from differential.pair import Pair, pair

if TYPE_CHECKING:
    from collections.abc import Iterator

# How many programs are drawn, and from which seed: a number, for the same programs in each run, or
# "random".
DRAWN = int(os.environ.get("DIFFERENTIAL_PROGRAMS", "40"))
SEED = os.environ.get("DIFFERENTIAL_SEED", "0")
if SEED == "random":
    SEED = str(random.getrandbits(32))
# What differs is made smaller step by step, which takes minutes.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Start the two processes once."""
    with pair(tmp_path_factory.mktemp("pair")) as started:
        yield started


def alike(both: Pair, program: str) -> None:
    """Fail with the program and what differs, if its two runs do."""
    found = both.differences(program)
    assert not found, "\n\n".join([f"DIFFERENTIAL_SEED={SEED}", program, *found])


@pytest.mark.parametrize("name", CORPUS)
def test_a_written_program_sees_the_same(both: Pair, name: str) -> None:
    """Each is what one user does."""
    alike(both, CORPUS[name])


@seed(int(SEED))
@settings(
    max_examples=DRAWN,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(program=programs())
def test_a_drawn_program_sees_the_same(both: Pair, program: str) -> None:
    """Of each program, a message has the smallest form that differs."""
    alike(both, program)


def test_the_traced_runs_were_traced(both: Pair) -> None:
    """Else all of them would agree."""
    calls = both.calls
    alike(both, "def program(see):\n    see(litellm.completion(**mocked()))")
    assert both.calls > calls
