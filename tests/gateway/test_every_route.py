"""The page's list of routes against LiteLLM's own: a route that nobody has looked at is found."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from custom_auth import VIRTUAL_KEY
from gateways import ROUTED, root, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateways import Gateway, Spans

PAGE = (Path(__file__).parents[2] / "docs" / "litellm-proxy.md").read_text()
# Mounted, and no routes for clients: pages and their files.
PAGES = re.compile(r"^/(?:_next|litellm-asset-prefix|swagger|ui)\b")
WEBSOCKET = "WEBSOCKET"


def listed(section: str) -> list[str]:
    """Return the patterns of a section: those of its tables' first column, or all of it."""
    [text] = re.findall(rf"^### {section}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE) or [text]
    return [name for cell in cells for name in re.findall(r"`(/[^`]*)`", cell)]


TRACED = listed("Traced routes")
NOT_TRACED = listed("Not traced, though a provider is reached")
OWN = listed("No provider is reached")


def fits(path: str, patterns: list[str]) -> bool:
    """Tell whether one of the patterns is a path's, under any version."""
    bare = re.sub(r"^/v\d\w*(?=/)", "", path)
    return any(fnmatchcase(bare, pattern) for pattern in patterns)


def walked(routes: Any, prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield path and methods of an app's routes, and of the routers that it includes."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        router = getattr(route, "original_router", None)
        inner = getattr(route, "routes", None) or getattr(router, "routes", None)
        if inner and not hasattr(route, "endpoint"):
            yield from walked(inner, path)
        else:
            yield path, set(getattr(route, "methods", None) or [WEBSOCKET])


def found() -> Iterator[tuple[str, str]]:
    """Yield method and path of what takes a POST or a websocket, loaded by now or described."""
    from litellm.proxy.proxy_server import app

    for path, methods in walked(app.routes):
        for method in methods & {"POST", WEBSOCKET}:
            yield method, path.replace(":path}", "}")
    for path, methods in app.openapi()["paths"].items():
        if "post" in methods:
            yield "POST", path


@pytest.fixture(scope="module")
def routes() -> dict[str, set[str]]:
    """Give LiteLLM's routes: paths by method."""
    told: dict[str, set[str]] = {"POST": set(), WEBSOCKET: set()}
    for method, path in found():
        if not PAGES.match(path):
            told[method].add(path)
    return told


def is_traced(path: str) -> bool:
    """Tell whether a POST to a path begins a trace."""
    from mlflow_litellm.proxy._routes import target_of

    return target_of(re.sub(r"\{[^}]*\}", "any", path)) is not None


def test_every_route_is_on_the_page(routes: dict[str, set[str]]) -> None:
    """As traced, as reaching a provider without a trace, or as the proxy's own."""
    assert len(routes["POST"]) > 300
    known = [*TRACED, *NOT_TRACED, *OWN]
    assert [path for path in set().union(*routes.values()) if not fits(path, known)] == []


def test_routes_that_are_traced_are_those_that_the_page_says(
    routes: dict[str, set[str]],
) -> None:
    """Both ways."""
    said = {path for path in routes["POST"] if fits(path, TRACED) and not fits(path, NOT_TRACED)}
    assert {path for path in routes["POST"] if is_traced(path)} == said


def test_every_line_of_the_page_is_a_route(routes: dict[str, set[str]]) -> None:
    """What LiteLLM has no longer, the page does not name."""
    patterns = [*TRACED, *NOT_TRACED, *OWN]
    paths = set().union(*routes.values())
    assert [one for one in patterns if not any(fits(path, [one]) for path in paths)] == []


def test_queued_chat_is_a_trace(gateway: Gateway, recorded: Spans) -> None:
    """Which LiteLLM does not count among the routes for models."""
    path, text = "/queue/chat/completions", uuid4().hex
    asked = {"model": "chat", "messages": [{"role": "user", "content": text}], "priority": 0}
    headers = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
    assert httpx.post(f"{gateway.url}{path}", json=asked, headers=headers, timeout=60).is_success
    [trace] = recorded.when(lambda trace: text in str(root(trace).inputs))
    scheduled = ("litellm-Router.schedule_acompletion", ROUTED)
    assert tree(trace) == (f"POST {path}", [scheduled])
