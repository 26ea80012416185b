"""
The prose is plain English, and the names are the field's.

Two words show sentences that are hard to read: "what" instead of a noun, and "where" instead of
"if" or "when". Well-known libraries have each at most once in 1,000 words.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "mlflow_litellm").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Occurrences in 1,000 words.
LIMIT = 1.0
CODE = re.compile(r"^```.*?^```|`[^`\n]*`|\]\([^)]*\)|^#[^\n]*$", re.MULTILINE | re.DOTALL)
WORD = re.compile(r"[A-Za-z']+")
# Names that only this package used for concepts of MLflow, LiteLLM and OpenTelemetry.
OWN_NAMES = {
    "Answer", "DOORS", "Door", "Enclosing", "GatewayAnswer", "_answered", "_asked",
    "_begin_anew", "_forget", "_known", "_place", "_route", "_said", "_shown", "_tell", "_told",
    "answered", "asked", "asks_a_server", "become", "begin_anew", "bridges", "cleaned", "door",
    "doors", "enclosing", "forget", "given_base", "has_place", "hidden", "is_late", "is_on",
    "is_plumbing", "is_route", "joined", "note_data", "note_failure", "note_left",
    "note_masked", "offer", "owner", "plain", "plumbing", "put_back", "renew", "route", "said",
    "settle", "shown", "take_out", "tell", "tell_losses", "told",
}  # fmt: skip


def prose_of_page(page: Path) -> str:
    """Return a page without code, headings and addresses."""
    return CODE.sub(" ", page.read_text(encoding="utf-8"))


def prose_of_module(file: Path) -> str:
    """Return the docstrings and comments of a module."""
    source = file.read_text(encoding="utf-8")
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    comments = [text for kind, text in tokens(source) if kind == tokenize.COMMENT]
    prose = "\n".join([*(ast.get_docstring(node) or "" for node in nodes), *comments])
    return re.sub(r"``[^`]*``|`[^`]*`", " ", prose)


def tokens(source: str) -> list[tuple[int, str]]:
    """Return the kind and the text of each token."""
    return [token[:2] for token in tokenize.generate_tokens(io.StringIO(source).readline)]


@pytest.mark.parametrize("word", ["what", "where"])
@pytest.mark.parametrize("area", ["docs", "package", "tests"])
def test_sentences_name_their_subject(area: str, word: str) -> None:
    """The two words are rare in the documentation, and in docstrings and comments."""
    texts = {
        "docs": lambda: map(prose_of_page, PAGES),
        "package": lambda: map(prose_of_module, PACKAGE),
        "tests": lambda: map(prose_of_module, TESTS),
    }[area]()
    words = [found.lower() for text in texts for found in WORD.findall(text)]
    assert words.count(word) * 1000 / len(words) <= LIMIT


@pytest.mark.parametrize("file", PACKAGE, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_names_are_the_fields(file: Path) -> None:
    """Names are the libraries' own, so that a reader who knows the libraries knows the names."""
    names = {text for kind, text in tokens(file.read_text("utf-8")) if kind == tokenize.NAME}
    assert names & OWN_NAMES == set()
