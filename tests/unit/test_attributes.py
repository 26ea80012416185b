"""The table of span attributes is complete, and the package uses its constants."""

from __future__ import annotations

from mlflow_litellm._common import attributes
from mlflow_litellm._common.attributes import ATTRIBUTES

CONSTANTS = {
    value: name
    for name, value in vars(attributes).items()
    if isinstance(value, str) and value in ATTRIBUTES
}
TYPES = {
    "any", "boolean", "dict", "dict of integers", "dict of numbers", "integer", "list of dicts",
    "list of strings", "number", "string", "string or list of strings",
}  # fmt: skip


def test_each_attribute_has_one_constant() -> None:
    """Each attribute is a constant of its own, in the order of the table."""
    assert list(CONSTANTS) == list(ATTRIBUTES)


def test_each_attribute_is_described() -> None:
    """Each attribute has a known type, a source, and the case in which it is absent."""
    rows = ATTRIBUTES.values()
    assert {row.type for row in rows} <= TYPES
    assert [row.name for row in rows if not row.source or not row.absent] == []
