"""Options: how many calls, and the seed that they are drawn with."""

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
    """Tell the seed, to play the same calls again."""
    return f"endurance: --calls={config.option.calls} --seed={config.option.seed}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what docs/endurance.md has in its table."""
    for what, value in getattr(terminalreporter.config.option, "figures", {}).items():
        terminalreporter.write_line(f"{what}: {value}")
