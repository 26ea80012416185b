"""The table of span attributes is complete, and the package and its documentation follow it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attribute_tables import PAGES, is_current
from attribute_types import TYPES

from mlflow_litellm._common import attributes
from mlflow_litellm._common.attributes import ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "mlflow_litellm"
TABLE = PACKAGE / "_common" / "attributes.py"
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != TABLE]
CONSTANTS = {
    value: name
    for name, value in vars(attributes).items()
    if isinstance(value, str) and value in ATTRIBUTES
}
# Names that LiteLLM has too: for arguments, for fields of a response, or for fields of its log.
LITELLMS = {
    "api_base", "cache_hit", "custom_llm_provider", "flagged", "guardrail_name",
    "guardrail_provider", "guardrail_status", "litellm_call_id", "litellm_overhead_time_ms",
    "masked_entity_count", "metadata", "model", "model_id", "pages_processed", "response_cost",
    "routing_strategy", "user_api_key_end_user_id",
}  # fmt: skip
# Names of attributes of the package's own objects.
OBJECTS = {"cancelled_by"}
KEYED = {"get", "pop", "setdefault"}


def test_each_attribute_has_one_constant() -> None:
    """Each attribute is a constant of its own, in the order of the table."""
    assert list(CONSTANTS) == list(ATTRIBUTES)


def test_each_attribute_is_described() -> None:
    """Each attribute has a known type, a source, and the case in which it is absent."""
    rows = ATTRIBUTES.values()
    assert {row.type for row in rows} == TYPES.keys()
    assert [row.name for row in rows if not row.source or not row.absent] == []


def literals(tree: ast.AST) -> set[str]:
    """Return the names of the table that are texts in a module."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return texts & ATTRIBUTES.keys()


def keys(tree: ast.AST) -> Iterator[ast.expr | None]:
    """Yield the keys that a module writes to a span's attributes, or reads from them."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript() if is_attributes(node.value):
                yield node.slice
            case ast.Call(ast.Attribute(base, name), [key, *_]):
                if name == "set_attribute" or (name in KEYED and is_attributes(base)):
                    yield key
            case ast.Assign([target], ast.Dict() as value) if is_attributes(target):
                yield from value.keys
            case ast.AnnAssign(target, _, ast.Dict() as value) if is_attributes(target):
                yield from value.keys
            case ast.keyword("attributes", ast.Dict() as value):
                yield from value.keys


def is_attributes(node: ast.expr) -> bool:
    """Return whether an expression is named as the attributes of a span."""
    return getattr(node, "id", None) == "attributes" or getattr(node, "attr", None) == "attributes"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_attributes_are_recorded_by_their_constants(file: Path) -> None:
    """The package has the names of attributes in the table alone."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert literals(tree) - LITELLMS - OBJECTS == set()
    texts = [key.value for key in keys(tree) if isinstance(key, ast.Constant)]
    assert [name for name in texts if name in ATTRIBUTES] == []


def test_names_that_other_objects_have_are_used() -> None:
    """The package reads each of the names that LiteLLM has too, or has an object with it."""
    used = [literals(ast.parse(file.read_text(encoding="utf-8"))) for file in FILES]
    assert set().union(*used) == LITELLMS | OBJECTS


@pytest.mark.parametrize(
    ("page", "spans"), [(page, spans) for page, lists in PAGES.items() for spans in lists]
)
def test_page_has_the_table(page: str, spans: str) -> None:
    """The page has the table of the code. If not, run ``tests/support/attribute_tables.py``."""
    assert is_current(spans, page)


def test_each_attribute_is_on_a_page() -> None:
    """The tables in the documentation have all attributes."""
    listed = {spans for lists in PAGES.values() for spans in lists}
    assert {row.spans for row in ATTRIBUTES.values()} == listed
