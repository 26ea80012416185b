"""Serve scripted OpenAI and Anthropic answers, and replayed ones of more providers, on loopback."""

from __future__ import annotations

from ._server import LoopbackProvider, Received

__all__ = ["LoopbackProvider", "Received"]
