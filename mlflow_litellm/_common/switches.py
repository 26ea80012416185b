"""Reads a switch in the environment. Runs while MLflow is imported: imports nothing heavy."""

from __future__ import annotations

import logging
import os

_logger = logging.getLogger("mlflow_litellm")

_ON = frozenset({"1", "on", "true", "yes"})
_OFF = frozenset({"0", "false", "no", "off"})


def switch(name: str, *, default: bool, unknown: bool) -> bool:
    """
    Return whether an environment variable is on. Thread-safe.

    Args:
        name: The variable's name. Its values are 1, true, yes, on, 0, false, no or off, in upper
            or lower case.
        default: The result if the variable is empty or not set.
        unknown: The result for any other value, which is also logged as a warning.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if value.lower() in _ON | _OFF:
        return value.lower() in _ON
    # Not warnings.warn(), which raises if the program turns warnings into errors.
    _logger.warning(
        "%s=%r is neither true nor false, and is taken for %s. Set it to true or false.",
        name, value, str(unknown).lower(),
    )  # fmt: skip
    return unknown
