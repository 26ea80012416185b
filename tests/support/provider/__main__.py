"""
Serve until standard input ends; print the address, as JSON on the first line.

A line of input, ``release`` or ``hold``, applies from then on to held responses.
"""

from __future__ import annotations

import json
import sys

from . import LoopbackProvider, _server

# The time limit of a held response that nobody releases.
_server.HOLD_SECONDS = 5.0

with LoopbackProvider() as server:
    told = {"openai": server.openai_base, "anthropic": server.anthropic_base}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    said = {"release": server.release.set, "hold": server.release.clear}
    for line in sys.stdin:
        said[line.strip()]()
