"""One program, run with tracing off and on, must see the same values."""

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

# The number of drawn programs, and their seed: a number, for the same programs in each run, or
# "random".
DRAWN = int(os.environ.get("DIFFERENTIAL_PROGRAMS", "200"))
SEED = os.environ.get("DIFFERENTIAL_SEED", "0")
if SEED == "random":
    SEED = str(random.getrandbits(32))
# Hypothesis reduces a difference gradually, which takes minutes.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Start the two processes once."""
    with pair(tmp_path_factory.mktemp("pair")) as started:
        yield started


def alike(both: Pair, program: str) -> None:
    """Fail with the program and its differences, if its two runs differ."""
    found = both.differences(program)
    assert not found, "\n\n".join([f"DIFFERENTIAL_SEED={SEED}", program, *found])


@pytest.mark.parametrize("name", CORPUS)
def test_a_written_program_sees_the_same(both: Pair, name: str) -> None:
    """A written program, which does a user's task, sees the same values."""
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
    """A drawn program sees the same values. A failure shows its smallest form with a difference."""
    alike(both, program)


def test_the_traced_runs_were_traced(both: Pair) -> None:
    """The traced runs are traced, as otherwise all programs would agree."""
    calls = both.calls
    alike(both, "def program(see):\n    see(litellm.completion(**mocked()))")
    assert both.calls > calls
