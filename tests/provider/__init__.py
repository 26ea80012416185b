"""Serve scripted OpenAI and Anthropic answers over real HTTP on the loopback."""

from __future__ import annotations

from ._server import LoopbackProvider, Received

__all__ = ["LoopbackProvider", "Received"]
