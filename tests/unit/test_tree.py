"""The demo prints a trace as a tree that fits the terminal, its encoding and its colours."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_litellm._cli import tree
from mlflow_litellm._cli.terminal import Segment, Terminal

SLOW = "RateLimitError: litellm.RateLimitError: slow down"
USAGE = {"input_tokens": 1_000, "output_tokens": 20}


def span(name: str, parent: str | None = None, status: str = "OK", **values: Any) -> Any:
    """Return a span in the shape of MLflow's; its id is its name."""
    recorded = {"model": "gpt-4o-mini", "mlflow.chat.tokenUsage": USAGE, **values}
    return SimpleNamespace(
        name=name, span_id=name, parent_id=parent, span_type="LLM", inputs={"stream": True},
        outputs="A response of several words.", start_time_ns=0, end_time_ns=2_000_000,
        llm_cost={"total_cost": 0.5}, get_attribute=recorded.get,
        status=SimpleNamespace(
            status_code=SimpleNamespace(value=status),
            description=SLOW if status == "ERROR" else "",
        ),
    )  # fmt: skip


SPANS = [span("root"), span("first", "root", "ERROR"), span("deep", "first"), span("last", "root")]


def drawn(width: int, guides: tree.Guides = tree.ASCII) -> list[str]:
    """Return the lines of a small trace."""
    lines = tree.draw(SPANS, "user ada, session s1", guides, width)
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


def test_wide_terminal_has_numbers_at_its_right_end() -> None:
    """The root has the sums; a failed span has its whole error, which names its type once."""
    assert drawn(70) == [
        "root  LLM  gpt-4o-mini  stream                  2 ms  4,000 in, 80 out",
        "|  A response of several words.                             $2.0000000",
        "|  user ada, session s1",
        "|- first  LLM  gpt-4o-mini  stream  ERROR       2 ms  1,000 in, 20 out",
        "|  |  litellm.RateLimitError: slow down                     $0.5000000",
        "|  `- deep  LLM  gpt-4o-mini  stream            2 ms  1,000 in, 20 out",
        "|        A response of several words.                       $0.5000000",
        "`- last  LLM  gpt-4o-mini  stream               2 ms  1,000 in, 20 out",
        "      A response of several words.                          $0.5000000",
    ]


@pytest.mark.parametrize("width", [32, 40, 50, 60, 70, 80, 90])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    """At each width, all words are there, and each line fits."""
    lines = drawn(width)
    assert max(map(len, lines)) <= width
    words = [word for line in lines for word in line.split() if word not in {"|", "|-", "`-"}]
    assert sorted(words) == sorted(
        word for line in drawn(100) for word in line.split() if word not in {"|", "|-", "`-"}
    )


def test_lines_of_the_tree_join_parents_and_children() -> None:
    """With an encoding that has them, box characters draw the same tree."""
    guides = str.maketrans({"│": "|", "├": "|", "└": "`", "─": "-"})
    boxed = drawn(70, tree.BOXES)
    assert [line.translate(guides) for line in boxed] == drawn(70)
    assert boxed[5].startswith("│  └─ deep")


@pytest.mark.parametrize(
    ("encoding", "has_boxes"),
    [("utf-8", True), ("cp437", True), ("ascii", False), ("latin-1", False)],
)
def test_boxes_depend_on_the_encoding(
    encoding: str, has_boxes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Box characters are written only if the output's encoding has them."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert Terminal().has_boxes is has_boxes


@pytest.mark.parametrize(("columns", "width"), [("40", 40), ("80", 80), ("300", 100)])
def test_width_is_the_terminals(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide terminal is not filled, as long lines are hard to read."""
    monkeypatch.setenv("COLUMNS", columns)
    assert Terminal().width == width


@pytest.mark.parametrize(
    ("variables", "has_colours"),
    [({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False), ({}, False)],
)
def test_colours_are_for_terminals(
    variables: dict[str, str],
    has_colours: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """rich writes colours to a terminal, unless NO_COLOR forbids that."""
    pytest.importorskip("rich")
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    Terminal().line(Segment("red", "red"))
    assert ("\x1b[31m" in capsys.readouterr().out) is has_colours


def test_without_rich_the_same_text_is_plain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands work without rich, which mlflow_litellm alone does not install."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setitem(sys.modules, "rich.console", None)
    terminal = Terminal()
    with terminal.status("Loading ..."):
        terminal.line(Segment("red", "red"), Segment(" and "), Segment("plain"))
    assert capsys.readouterr().out == "Loading ...\nred and plain\n"


def test_terminal_forgets_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminal shows the status at once, and erases it after the block."""
    pytest.importorskip("rich")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Terminal().status("Loading ..."):
        assert "Loading ..." in capsys.readouterr().out
    assert capsys.readouterr().out == "\r\x1b[2K"
