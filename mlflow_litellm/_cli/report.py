"""Problems and findings that the commands print."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from mlflow_litellm._cli.terminal import Segment, wrapped
from mlflow_litellm._tracing.store.errors import ProblemError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_litellm._cli.terminal import Terminal
    from mlflow_litellm._tracing.health import Health

# The time limit of one request to a server, in seconds.
REQUEST_S = 10
LOADING = "Loading LiteLLM and MLflow ..."
INDENT = " " * 6
ARROW = "-> "
STYLES = {"ok": "green", "note": "yellow", "FAIL": "bold red"}


class Finding(NamedTuple):
    """
    The result of one check.

    Args:
        mark: ``ok``, ``note``, or ``FAIL`` if tracing would not work.
        text: The result in words.
        remedy: The action to take; empty if none is needed.
    """

    mark: str
    text: str
    remedy: str = ""


def write(terminal: Terminal, finding: Finding) -> None:
    """Write a finding, and its remedy below it."""
    lines = wrapped(finding.text, terminal.width - len(INDENT))
    for mark, line in zip_longest([finding.mark.ljust(len(INDENT))], lines, fillvalue=INDENT):
        terminal.line(Segment(mark, STYLES[finding.mark]), Segment(line))
    lines = wrapped(finding.remedy, terminal.width - len(INDENT) - len(ARROW))
    for arrow, line in zip_longest([ARROW][: len(lines)], lines, fillvalue=" " * len(ARROW)):
        terminal.line(Segment(INDENT + arrow), Segment(line))


def prepare(*, offline: bool) -> None:
    """
    Make MLflow and LiteLLM give up early and print little. Call this before they are imported.

    Args:
        offline: Whether LiteLLM must not fetch its prices from the network on import.
    """
    # By default MLflow retries for minutes.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(REQUEST_S)
    os.environ.setdefault("LITELLM_LOG", "ERROR")
    if not sys.warnoptions:
        # Of LiteLLM's and MLflow's own code, such as pydantic's for old versions of LiteLLM.
        warnings.simplefilter("ignore")
    if offline:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def quiet() -> None:
    """Hide MLflow's log below ERROR, after its import: the findings replace that log."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def own_health(health: Health) -> Finding:
    """Return the health of tracing in this process as a finding."""
    if health.has_losses:
        remedy = "set the logger 'mlflow_litellm' to DEBUG to log each fault, and report the faults"
        return Finding("FAIL", f"tracing is not well: {health}", remedy)
    what = "no fault of tracing here; call mlflow_litellm.health() in a program to check it there"
    return Finding("ok", what)


@contextlib.contextmanager
def problem_on_error(what: str, remedy: str) -> Iterator[None]:
    """
    Raise any error of the block as a ProblemError.

    Args:
        what: The start of the problem's text.
        remedy: The action to take.
    """
    try:
        yield
    except ProblemError:
        raise
    except Exception as error:
        problem = ProblemError(f"{what} ({one_line(error, 200)})", remedy)
        raise problem from error
