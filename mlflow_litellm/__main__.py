"""The commands ``python -m mlflow_litellm demo`` and ``python -m mlflow_litellm doctor``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from mlflow_litellm._cli import report, store
from mlflow_litellm._cli.terminal import Terminal
from mlflow_litellm._tracing.store.errors import ProblemError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "python -m mlflow_litellm"
INTERRUPTED = 130
EXPERIMENT = "mlflow_litellm demo"
# The reference in the documentation has these texts too.
COMMANDS = {
    "demo": "Make a call of each kind, without key or network, and print the traces.",
    "doctor": "Check whether calls are traced in this environment, and show where the traces go.",
}
STORE = ("URI", None, "the store of the traces; default: MLflow's own setting")
# By command and option: the name of the value, or None for a switch; the default and the help.
OPTIONS: dict[str, dict[str, tuple[str | None, str | None, str]]] = {
    "demo": {
        "--model": (
            "NAME",
            None,
            "call this model instead of LiteLLM's mock; the embedding is left out",
        ),
        "--experiment": (
            "NAME",
            EXPERIMENT,
            f"the experiment of the traces; default: {EXPERIMENT}",
        ),
        "--tracking-uri": STORE,
    },
    "doctor": {
        "--send": (None, None, "send one trace, read it back, and show how long that took"),
        "--tracking-uri": STORE,
    },
}
EXIT = (
    "The exit status is 0 on success; 1 if doctor finds a problem; 2 if the command could not be "
    "run, or a call of demo failed; 130 if it was interrupted."
)


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
    parser = _Parser(prog=PROGRAM, description="Trace LiteLLM calls into MLflow.", epilog=EXIT)
    commands = parser.add_subparsers(dest="command", metavar="demo|doctor", required=True)
    for name, description in COMMANDS.items():
        summary = description.partition(". ")[0].rstrip(".")
        command = commands.add_parser(name, help=summary, description=description, epilog=EXIT)
        for option, (metavar, default, text) in OPTIONS[name].items():
            if metavar is None:
                command.add_argument(option, action="store_true", help=text)
            else:
                command.add_argument(option, metavar=metavar, default=default, help=text)
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    report.prepare(offline=arguments.model is None)
    terminal = Terminal()
    problem = report.problem_on_error("tracing cannot be switched on", f"run {PROGRAM} doctor")
    with terminal.status(report.LOADING), problem:
        from mlflow_litellm._cli import demo as demo_module

    return demo_module.run(terminal, arguments.model, arguments.tracking_uri, arguments.experiment)


def _doctor(arguments: argparse.Namespace) -> int:
    from mlflow_litellm._cli import doctor as doctor_module

    report.prepare(offline=True)
    return doctor_module.run(Terminal(), arguments.tracking_uri, arguments.send)


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
