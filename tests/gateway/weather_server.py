"""An MCP server on loopback, with one tool: ``python weather_server.py PORT``."""

from __future__ import annotations

import sys

from mcp.server import MCPServer

server = MCPServer("weather", log_level="WARNING")


@server.tool()
def get_weather(location: str) -> str:
    """Return the weather at a place; fail for the place "nowhere"."""
    if location == "nowhere":
        message = "no weather at nowhere"
        raise ValueError(message)
    return f"sunny in {location}"


if __name__ == "__main__":
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
