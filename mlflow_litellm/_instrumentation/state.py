"""Whether tracing is on."""

from __future__ import annotations

_on = False


def is_enabled() -> bool:
    """Return whether calls are traced."""
    return _on


def switch(*, on: bool) -> None:
    """Set whether calls are traced from now on."""
    global _on
    _on = on
