"""The names on the page *Migrating* are those that MLflow's own flavor and this package record."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import MODEL, user
from processes import until
from scripts import succeed
from traces import Traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from provider import LoopbackProvider

HERE = Path(__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text()
# Names in every trace or span of MLflow, not specific to a flavor.
MLFLOWS = re.compile(r"mlflow\.(?!chat|llm|trace\.(tokenUsage|cost|session|user)$)")
KINDS = (
    "Span names", "Span types", "Inputs", "Outputs", "Attributes", "Tags", "Metadata", "Events",
    "Searches",
)  # fmt: skip
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PREDICTED = {"type": "content", "content": "so"}


def calls(base: str, recorded: Callable[[], int]) -> None:
    """Make calls of each kind. The event loop runs until its calls are recorded."""
    known = {"model": MODEL, "api_base": base, "api_key": "sk-very-secret", "max_retries": 0}
    given = {
        "user": "ada", "metadata": {"tags": ["jobID:42", "plain"]}, "temperature": 0.5,
        "tools": [TOOL], "tool_choice": "auto", "functions": [TOOL["function"]],
        "prediction": PREDICTED,
    }  # fmt: skip
    litellm.completion(messages=user("hi"), **known, **given)
    list(litellm.completion(messages=user("hi"), stream=True, **known))
    litellm.embedding(**{**known, "model": "openai/text-embedding-3-small"}, input=["hi"])
    with pytest.raises(litellm.RateLimitError):
        litellm.completion(messages=user("/error 429"), **known)

    async def call() -> None:
        before = recorded()
        await litellm.acompletion(messages=user("hi"), **known)
        # In a thread, as a callback may wait for the event loop.
        await asyncio.to_thread(until, lambda: recorded() > before, 20, "an async trace")

    asyncio.run(call())


def names(traces: Traces) -> dict[str, list[str]]:
    """Return every name in the traces, by the page's section."""
    kept = traces.all()
    spans = [span for trace in kept for span in trace.data.spans]
    found = {
        "Span names": {span.name for span in spans},
        "Span types": {f"{span.name}: {span.span_type}" for span in spans},
        "Inputs": {said(span, key) for span in spans for key in span.inputs or {}},
        "Outputs": {type(span.outputs).__name__ for span in spans},
        "Attributes": {key for span in spans for key in span.attributes},
        "Tags": {key for trace in kept for key in trace.info.tags},
        "Metadata": {key for trace in kept for key in trace.info.trace_metadata},
        "Events": {event.name for span in spans for event in span.events},
        "Searches": {text for text in quoted(section("Searches")) if finds(traces, text)},
        "Values": {f"{key}: {span.attributes.get(key)}" for span in spans for key in VALUES},
    }
    return {kind: sorted(those) for kind, those in found.items()}


def said(span: Any, key: str) -> str:
    """Return an input's name, with the span's name if it is not a chat."""
    return key if span.name.endswith("completion") else f"{span.name}: {key}"


def finds(traces: Traces, text: str) -> bool:
    """Return whether MLflow finds a trace by a filter."""
    if not re.search(" (=|LIKE) ", text):
        return False
    where = {"locations": [traces.experiment_id], "return_type": "list"}
    return bool(mlflow.search_traces(filter_string=text, **where))


def section(title: str) -> str:
    """Return a section of the page."""
    [text] = re.findall(rf"^### {title}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return text


def quoted(text: str) -> list[str]:
    """Return the texts in backquotes."""
    return re.findall(r"`([^`]+)`", text)


def rows(title: str) -> list[list[str]]:
    """Return the cells of each row of a section's table, without its head."""
    lines = re.findall(r"^\| (.*) \|$", section(title), re.MULTILINE)
    return [line.split(" | ") for line in lines[2:]]


VALUES = [cells[0].strip("`") for cells in rows("Values")]


def tell(base: str, uri: str) -> None:
    """Print the names that ``mlflow.litellm.autolog()`` records in this process."""
    mlflow.set_tracking_uri(uri)
    traces = Traces(mlflow.set_experiment("migrating").experiment_id)
    mlflow.litellm.autolog()
    calls(base, lambda: len(traces.all()))
    sys.stdout.write("\n" + json.dumps(names(traces)))


@pytest.fixture(scope="module")
def old(
    provider: LoopbackProvider, _store: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """Return the names that the built-in flavor records, in a process with this flavor."""
    code = f"""
        import sys

        sys.path[:0] = [{str(HERE)!r}, {str(HERE.with_name("support"))!r}]
        import test_migrating

        test_migrating.tell({provider.openai_base!r}, {_store!r})
    """
    settings = {"MLFLOW_LITELLM_TAKEOVER": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return json.loads(succeed(code, tmp_path_factory.mktemp("old"), **settings).splitlines()[-1])


@pytest.mark.timeout(200)
def test_every_name_is_what_the_page_says(
    tracing: Traces, provider: LoopbackProvider, old: dict[str, list[str]]
) -> None:
    """The page's left column has all names of the built-in flavor, the right this package's."""
    calls(provider.openai_base, lambda: len(tracing.all()))
    new = names(tracing)
    for kind in KINDS:
        listed = [check_row(kind, *cells, old=old[kind], new=new[kind]) for cells in rows(kind)]
        known = {name for names_of_row in listed for name in names_of_row}
        assert not {name for name in old[kind] if not MLFLOWS.match(name)} - known, kind
    for name, before, after in rows("Values"):
        assert f"{name}: {before}".replace("`", "") in old["Values"]
        assert f"{quoted(name)[0]}: {quoted(after)[0]}" in new["Values"]


def check_row(kind: str, before: str, after: str, *, old: list[str], new: list[str]) -> list[str]:
    """Check one row of a table, and return its old names."""
    names = quoted(before)
    assert set(names) <= set(old), (kind, before)
    if after.startswith("the same"):
        assert set(names) <= set(new), (kind, before)
    else:
        assert not set(names) & set(new), (kind, before)
        successor = [] if after.startswith("gone") else quoted(after)[:1]
        assert set(successor) <= set(new), (kind, after)
        assert successor or after.startswith("gone"), (kind, after)
    return names
