"""The page *What is traced* lists each function of LiteLLM that sends requests to a model."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

import litellm
import litellm.google_genai
import litellm.interactions
import litellm.vector_stores
import pytest

from mlflow_litellm._common.patching import holder_of
from mlflow_litellm._instrumentation.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "what-is-traced.md").read_text()
# Modules with helpers that users do not call, although LiteLLM's namespace has some of them.
HELPERS = (
    "litellm._",
    "litellm.assistants.utils",
    "litellm.caching",
    "litellm.cost_calculator",
    "litellm.litellm_core_utils",
    "litellm.llms",
    "litellm.proxy",
    "litellm.rerank_api.rerank_utils",
    "litellm.responses.bridge_check",
    "litellm.responses.mcp",
    "litellm.rust_bridge",
    "litellm.secret_managers",
    "litellm.types",
    "litellm.utils",
)
# Packages with functions for users.
PACKAGES = ("anthropic.messages", "google_genai", "interactions", "vector_stores")
# Methods that Router itself calls, and hooks.
ROUTERS_OWN = re.compile(
    r"async_|deployment_callback|(get|increment|arefresh|set)_.*|make_call|factory_function"
    r"|(count|recover|report|repin|retry)_.*"
)
# Methods that the text below the tables describes, or whose name in Router differs from LiteLLM's.
ROUTERS_OTHERS = {"aapply", "aguardrail", "call", "select"}


def listed(section: str) -> set[str]:
    """Return the names in the first column of a section's tables."""
    [text] = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}


TRACED = listed("Calls") | listed("Chains")
KNOWN = TRACED | listed("Not traced")


def public_functions() -> Iterator[str]:
    """Yield the names below ``litellm`` of the functions that users call."""
    for name, value in vars(litellm).items():
        module = getattr(value, "__module__", None) or ""
        is_theirs = module.startswith("litellm.") and not module.startswith(HELPERS)
        if isinstance(value, FunctionType) and is_theirs and not name.startswith("_"):
            yield name
    for package in PACKAGES:
        holder, _ = holder_of(litellm, f"{package}.any")
        assert isinstance(holder, ModuleType)
        for name, value in vars(holder).items():
            if isinstance(value, FunctionType) and not name.startswith("_"):
                yield f"{package}.{name}"


def router_methods() -> Iterator[str]:
    """Yield the names of a Router's public methods that may call models."""
    params = {"model": "openai/any", "api_key": "none"}
    router = litellm.Router([{"model_name": "any", "litellm_params": params}])
    for name in dir(router):
        if name.startswith("_") or ROUTERS_OWN.match(name):
            continue
        method = getattr(router, name, None)
        if inspect.iscoroutinefunction(method) or (name in TRACED and inspect.isroutine(method)):
            yield name
    router.discard()


def is_known(method: str) -> bool:
    """Return whether the page has a Router's method, by its name or by its function's name."""
    names = {
        method,
        f"Router.{method}",
        f"google_genai.{method}",
        method.replace("aanthropic", "anthropic"),
        re.sub(r"^(a?\w+)_interaction$", r"interactions.\1", method),
        re.sub(r"^(a?)vector_store_(\w+)$", r"vector_stores.\1\2", method),
    }
    return bool(names & KNOWN) or method in ROUTERS_OTHERS


def test_page_lists_every_function() -> None:
    """The page has every function.

    For a new one, add a row to the table of traced functions, or explain its absence on the page.
    """
    assert sorted(set(public_functions()) - KNOWN) == []


def test_page_lists_what_is_traced() -> None:
    """The page has each traced function, and lists no other function as traced."""
    assert sorted(target.name for target in TARGETS) == sorted(TRACED)


def test_page_lists_every_method_of_router() -> None:
    """The page has every Router method by its function's name, or in a row of its own if traced."""
    methods = set(router_methods())
    assert len(methods) > 10
    assert sorted(name for name in methods if not is_known(name)) == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_span_type_is_the_pages(target: object) -> None:
    """The span type is the one in the page's table of calls, and else chain or agent."""
    rows = re.findall(r"^\| (`[^|]+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    types = {name: kind for cell, kind in rows for name in re.findall(r"`([\w.]+)`", cell)}
    of_chains = "AGENT" if "tool_loop" in target.name else "CHAIN"
    assert types.get(target.name, of_chains) == target.span_type
