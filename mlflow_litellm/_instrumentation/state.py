"""Whether tracing is on."""

from __future__ import annotations

_on = False


def is_enabled() -> bool:
    """Tell whether calls are traced."""
    return _on


def switch(*, on: bool) -> None:
    """Note that calls are traced from now on, or are not."""
    global _on
    _on = on
