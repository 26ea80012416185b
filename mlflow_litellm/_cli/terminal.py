"""Writes to the standard output: in colour on a terminal, as plain text everywhere else."""

from __future__ import annotations

import contextlib
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Longer lines are hard to read.
MAX_WIDTH = 100
BOXES = "├─└│"


class Segment(NamedTuple):
    """
    A part of a line.

    Args:
        text: The text.
        style: A style of rich, such as ``"bold red"``; empty for none.
    """

    text: str
    style: str = ""


class Terminal:
    """
    The standard output.

    Colours need rich, which the extra ``mlflow`` installs. rich obeys ``NO_COLOR``,
    ``FORCE_COLOR`` and ``TERM``.

    Attributes:
        width: The number of columns to write in.
        has_boxes: Whether the output's encoding has characters to draw lines with.
    """

    def __init__(self) -> None:
        self.width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
        self.has_boxes = _has(BOXES)
        self._console = _console()

    def line(self, *segments: Segment) -> None:
        """Write a line. It is not wrapped: an address or a command must stay whole."""
        if self._console is None:
            print("".join(segment.text for segment in segments).rstrip(), flush=True)
        else:
            self._console.print(self._text(segments))

    def paragraph(self, text: str, style: str = "") -> None:
        """Write a text in lines of the terminal's width. Addresses stay whole."""
        for line in wrapped(text, self.width):
            self.line(Segment(line, style))

    def _text(self, segments: Sequence[Segment]) -> Any:
        from rich.text import Text

        text = Text.assemble(*segments)
        text.rstrip()
        return text

    @contextlib.contextmanager
    def status(self, text: str) -> Iterator[None]:
        """
        Show what the program does while the block runs. A terminal forgets it after the block.

        Args:
            text: The text, shorter than a line.
        """
        console = self._console
        if console is None or not console.is_terminal or console.is_dumb_terminal:
            self.line(Segment(text))
            yield
            return
        console.print(self._text([Segment(text, "dim")]), end="")
        try:
            yield
        finally:
            _erase_line(console)


def wrapped(text: str, width: int) -> list[str]:
    """Return a text as lines. Addresses and commands stay whole."""
    return textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)


def _console() -> Any:
    """Return rich's console; None if rich is not installed."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def _erase_line(console: Any) -> None:
    from rich.control import Control
    from rich.segment import ControlType

    # Not rich's own status: it replaces sys.stderr, which loggers would keep.
    console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))


def _has(characters: str) -> bool:
    """Return whether the output's encoding has characters."""
    try:
        characters.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
