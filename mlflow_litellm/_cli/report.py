"""What the commands share: problems and findings for people, and where traces are to be seen."""

from __future__ import annotations

import contextlib
import logging
import os
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from mlflow_litellm._tracing.store.errors import ProblemError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_litellm._tracing.health import Health

# How long a server may take for one request.
REQUEST_S = 10
WIDTH = 100


class Finding(NamedTuple):
    """
    One thing that was looked at.

    Args:
        mark: ``ok``, ``note``, or ``FAIL`` where tracing would not work.
        text: What was found.
        remedy: What to do, unless all is well.
    """

    mark: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        lines = [_filled(f"{self.mark:4}  {self.text}", " " * 6)]
        if self.remedy:
            lines.append(_filled(f"      -> {self.remedy}", " " * 9))
        return "\n".join(lines)


def _filled(line: str, indent: str) -> str:
    # Addresses and commands stay in one piece.
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def prepare(*, offline: bool) -> None:
    """
    Have MLflow and LiteLLM, not imported yet, give up early and print little.

    Args:
        offline: Whether LiteLLM is not to fetch its prices from the network on import.
    """
    # By default MLflow retries for minutes.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(REQUEST_S)
    os.environ.setdefault("LITELLM_LOG", "ERROR")
    if offline:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def quiet() -> None:
    """Keep MLflow's log off the terminal, once it is imported: what matters is told otherwise."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def own_health(health: Health) -> Finding:
    """Return what tracing says of itself, in this process."""
    if health.has_losses:
        remedy = "set the logger 'mlflow_litellm' to DEBUG to see each fault, and report it"
        return Finding("FAIL", f"tracing is not well: {health}", remedy)
    what = "no fault of tracing here; mlflow_litellm.health() tells it of a program, within it"
    return Finding("ok", what)


@contextlib.contextmanager
def problem_on_error(what: str, remedy: str) -> Iterator[None]:
    """Turn any error of the block into a problem that `what` begins."""
    try:
        yield
    except ProblemError:
        raise
    except Exception as error:
        problem = ProblemError(f"{what} ({one_line(error, 200)})", remedy)
        raise problem from error
