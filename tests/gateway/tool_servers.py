"""An MCP server as a process, and its configuration for LiteLLM."""

from __future__ import annotations

import contextlib
import socket
import sys
from pathlib import Path
from typing import Any

from processes import STARTING_S, Process, free_port, until

# Makes LiteLLM offer its servers' tools to a model, and run the tools that the model calls.
TOOLS = [
    {
        "type": "mcp",
        "server_label": "litellm",
        "server_url": "litellm_proxy",
        "require_approval": "never",
    }
]


class ToolServer(Process):
    """An MCP server with one tool, ``get_weather``."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        script = Path(__file__).with_name("weather_server.py")
        super().__init__([sys.executable, str(script), str(self._port)], folder)
        until(self._listens, STARTING_S, "the MCP server")

    @property
    def configuration(self) -> dict[str, Any]:
        """The part of a proxy's configuration that names it ``weather``, for every key."""
        url = f"http://127.0.0.1:{self._port}/mcp"
        return {"weather": {"url": url, "transport": "http", "allow_all_keys": True}}

    def _listens(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self._port), timeout=2).close()
            return True
        return False
