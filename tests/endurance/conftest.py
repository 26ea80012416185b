"""Options for the number of calls and their seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FULL = 10_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--calls`` and ``--seed``."""
    group = parser.getgroup("endurance")
    told = f"so many calls, and as many streams (default: {FULL})"
    group.addoption("--calls", type=int, default=FULL, help=told)
    group.addoption("--seed", type=int, default=random.randrange(10**6), help="of what is drawn")


def pytest_report_header(config: pytest.Config) -> str:
    """Return a line with the seed, so that the same calls can be repeated."""
    return f"endurance: --calls={config.option.calls} --seed={config.option.seed}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the rows of the table in docs/endurance.md."""
    for what, value in getattr(terminalreporter.config.option, "figures", {}).items():
        terminalreporter.write_line(f"{what}: {value}")
