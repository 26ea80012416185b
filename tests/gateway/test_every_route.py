"""The page lists all routes of LiteLLM: a route that is missing there makes a test fail."""

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
# Mounted apps with pages and files, which are no routes for clients.
PAGES = re.compile(r"^/(?:_next|litellm-asset-prefix|swagger|ui)\b")
WEBSOCKET = "WEBSOCKET"


def listed(section: str) -> list[str]:
    """Return the patterns of a section: those in its tables' first column, or all of them."""
    [text] = re.findall(rf"^### {section}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE) or [text]
    return [name for cell in cells for name in re.findall(r"`(/[^`]*)`", cell)]


TRACED = listed("Traced routes")
NOT_TRACED = listed("Not traced, although a provider is reached")
OWN = listed("No provider is reached")


def fits(path: str, patterns: list[str]) -> bool:
    """Return whether a path fits one of the patterns, under any version."""
    bare = re.sub(r"^/v\d\w*(?=/)", "", path)
    return any(fnmatchcase(bare, pattern) for pattern in patterns)


def walked(routes: Any, prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield path and methods of an app's routes, and of its included routers."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        router = getattr(route, "original_router", None)
        inner = getattr(route, "routes", None) or getattr(router, "routes", None)
        if inner and not hasattr(route, "endpoint"):
            yield from walked(inner, path)
        else:
            yield path, set(getattr(route, "methods", None) or [WEBSOCKET])


def found() -> Iterator[tuple[str, str]]:
    """Yield method and path of each route for a POST or a websocket, loaded or only described."""
    from litellm.proxy.proxy_server import app

    for path, methods in walked(app.routes):
        for method in methods & {"POST", WEBSOCKET}:
            yield method, path.replace(":path}", "}")
    for path, methods in app.openapi()["paths"].items():
        if "post" in methods:
            yield "POST", path


@pytest.fixture(scope="module")
def routes() -> dict[str, set[str]]:
    """Return LiteLLM's routes: paths by method."""
    told: dict[str, set[str]] = {"POST": set(), WEBSOCKET: set()}
    for method, path in found():
        if not PAGES.match(path):
            told[method].add(path)
    return told


def is_traced(path: str) -> bool:
    """Return whether a POST to a path starts a trace."""
    from mlflow_litellm.proxy._routes import target_of

    return target_of(re.sub(r"\{[^}]*\}", "any", path)) is not None


def test_every_route_is_on_the_page(routes: dict[str, set[str]]) -> None:
    """The page lists each route: traced, calling a provider untraced, or the proxy's own."""
    assert len(routes["POST"]) > 300
    known = [*TRACED, *NOT_TRACED, *OWN]
    assert [path for path in set().union(*routes.values()) if not fits(path, known)] == []


def test_routes_that_are_traced_are_those_that_the_page_says(
    routes: dict[str, set[str]],
) -> None:
    """The page's traced routes and the actually traced routes are the same."""
    said = {path for path in routes["POST"] if fits(path, TRACED) and not fits(path, NOT_TRACED)}
    assert {path for path in routes["POST"] if is_traced(path)} == said


def test_every_line_of_the_page_is_a_route(routes: dict[str, set[str]]) -> None:
    """The page names no route that LiteLLM no longer has."""
    patterns = [*TRACED, *NOT_TRACED, *OWN]
    paths = set().union(*routes.values())
    assert [one for one in patterns if not any(fits(path, [one]) for path in paths)] == []


def test_queued_chat_is_a_trace(gateway: Gateway, recorded: Spans) -> None:
    """A queued chat is traced, though LiteLLM does not count its route among those for models."""
    path, text = "/queue/chat/completions", uuid4().hex
    asked = {"model": "chat", "messages": [{"role": "user", "content": text}], "priority": 0}
    headers = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
    assert httpx.post(f"{gateway.url}{path}", json=asked, headers=headers, timeout=60).is_success
    [trace] = recorded.when(lambda trace: text in str(root(trace).inputs))
    scheduled = ("litellm-Router.schedule_acompletion", ROUTED)
    assert tree(trace) == (f"POST {path}", [scheduled])
