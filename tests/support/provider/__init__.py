"""Serve scripted OpenAI and Anthropic responses and replayed ones of others, on loopback."""

from __future__ import annotations

from ._server import LoopbackProvider, Received
from ._services import HEARD, PICTURE, SPEECH

__all__ = ["HEARD", "PICTURE", "SPEECH", "LoopbackProvider", "Received"]
