"""Compares the attributes of recorded spans with the table of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_litellm._common.attributes import ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow.entities import Span

# Attributes that MLflow adds to spans, and that this package does not document.
MLFLOWS = {"mlflow.spanLogLevel", "mlflow.spanStartTimeNs"}
# Python's types by the names of the table.
TYPES: dict[str, tuple[type, ...]] = {
    "any": (bool, dict, float, int, list, str),
    "boolean": (bool,),
    "dict": (dict,),
    "dict of integers": (dict,),
    "dict of numbers": (dict,),
    "integer": (int,),
    "list of dicts": (list,),
    "list of strings": (list,),
    "number": (int, float),
    "string": (str,),
    "string or list of strings": (str, list),
}


def not_as_in_table(spans: Iterable[Span]) -> set[str]:
    """Return the names of attributes that the table lacks, or has with another type."""
    recorded = {(name, type(value)) for span in spans for name, value in span.attributes.items()}
    return {
        name
        for name, kind in recorded
        if name not in MLFLOWS
        and (name not in ATTRIBUTES or kind not in TYPES[ATTRIBUTES[name].type])
    }
