"""The commands ``python -m mlflow_litellm demo`` and ``python -m mlflow_litellm doctor``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from mlflow_litellm._cli import report, store
from mlflow_litellm._tracing.store.errors import ProblemError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "python -m mlflow_litellm"
INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """An argument parser that prints an error in one line, without its usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and print one line, which names the option ``--help``."""
        self.exit(2, f"{PROGRAM}: {one_line(message, 300)}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    arguments = _parser().parse_args(argv)
    # Responses and paths may hold characters that a terminal cannot show.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        return _demo(arguments) if arguments.command == "demo" else _doctor(arguments)
    except ProblemError as problem:
        print(f"{PROGRAM} {arguments.command}: {problem}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Trace LiteLLM calls into MLflow.")
    commands = parser.add_subparsers(dest="command", metavar="demo|doctor", required=True)
    demo = commands.add_parser("demo", help="trace a few calls without key or network, show them")
    demo.add_argument("--model", metavar="NAME", help="call this model instead of LiteLLM's mock")
    demo.add_argument(
        "--experiment",
        metavar="NAME",
        default="mlflow_litellm demo",
        help="the experiment for the traces",
    )
    doctor = commands.add_parser(
        "doctor", help="check whether calls are traced, and to which store"
    )
    for command in (demo, doctor):
        command.add_argument(
            "--tracking-uri", metavar="URI", help="default: MLflow's current tracking URI"
        )
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    report.prepare(offline=arguments.model is None)
    with report.problem_on_error(
        "tracing cannot be switched on", "python -m mlflow_litellm doctor"
    ):
        from mlflow_litellm._cli import demo as demo_module

    return demo_module.run(arguments.model, arguments.tracking_uri, arguments.experiment)


def _doctor(arguments: argparse.Namespace) -> int:
    from mlflow_litellm._cli import doctor as doctor_module

    report.prepare(offline=True)
    return doctor_module.run(arguments.tracking_uri)


def _leave(status: int) -> NoReturn:
    """Exit; skip Python's usual steps if they could wait forever for a thread."""
    sys.stdout.flush()
    if status == INTERRUPTED or store.is_asking():
        # A thread that Python stops in the middle of an import keeps its import lock.
        os._exit(status)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)


if __name__ == "__main__":
    try:
        status = main()
    except KeyboardInterrupt:
        status = INTERRUPTED
    _leave(status)
