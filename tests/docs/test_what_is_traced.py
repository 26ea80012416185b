"""The page *What is traced* against LiteLLM: each function that reaches a model is on it."""

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
# Where LiteLLM keeps what is no function to call for users, though some stand in its namespace.
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
# Packages with functions of their own that are called for users' ends.
PACKAGES = ("anthropic.messages", "google_genai", "interactions", "vector_stores")
# Of Router, what it calls itself, and hooks.
ROUTERS_OWN = re.compile(
    r"async_|deployment_callback|(get|increment|arefresh|set)_.*|make_call|factory_function"
    r"|(count|recover|report|repin|retry)_.*"
)
# What is said of below the tables, or is Router's name for what LiteLLM calls otherwise.
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
    """Yield the names of a Router's public methods that call models, or may."""
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
    """Tell whether a Router's method is on the page: by its name, or by that which it routes."""
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
    """Where one is new, add a row to the table of doors or tell on the page why there is none."""
    assert sorted(set(public_functions()) - KNOWN) == []


def test_page_lists_what_is_traced() -> None:
    """Each door, and no other function, is among those."""
    assert sorted(target.name for target in TARGETS) == sorted(TRACED)


def test_page_lists_every_method_of_router() -> None:
    """By the function that it routes; those of the class that are traced have rows of their own."""
    methods = set(router_methods())
    assert len(methods) > 10
    assert sorted(name for name in methods if not is_known(name)) == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_span_type_is_the_pages(target: object) -> None:
    """As the table of calls has it; all others are chains, or agents."""
    rows = re.findall(r"^\| (`[^|]+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    types = {name: kind for cell, kind in rows for name in re.findall(r"`([\w.]+)`", cell)}
    of_chains = "AGENT" if "tool_loop" in target.name else "CHAIN"
    assert types.get(target.name, of_chains) == target.span_type
