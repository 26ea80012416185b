"""Reads a switch in the environment. Imports nothing heavy: it is asked while MLflow is loaded."""

from __future__ import annotations

import logging
import os

_logger = logging.getLogger("mlflow_litellm")

_ON = frozenset({"1", "on", "true", "yes"})
_OFF = frozenset({"0", "false", "no", "off"})


def switch(name: str, *, default: bool, unknown: bool) -> bool:
    """
    Return whether a variable of the environment is on. Is thread-safe.

    Args:
        name: The variable: 1, true, yes, on, or 0, false, no, off, in any case.
        default: What it means if it is not set, or empty.
        unknown: What any other value means, which is logged as a warning.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if value.lower() in _ON | _OFF:
        return value.lower() in _ON
    # Not warnings.warn(), which is an error where a program makes it one.
    _logger.warning(
        "%s=%r is neither true nor false, and is taken for %s. Set it to true or false.",
        name, value, str(unknown).lower(),
    )  # fmt: skip
    return unknown
