"""The searches of the page *What is recorded* find the traces that they name, and no others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import user
from documents import blocks, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow.entities import Span
    from traces import Traces

PAGE = "docs/what-is-recorded.md"
ROW = re.compile(
    r"^\| [^|]+ \| `([\w.]+)`[^|]* \| `+(span\.[^|]+?|metadata[^|]+?)`+ \|$", re.MULTILINE
)
FILTERS = dict(ROW.findall(text(PAGE)))
# The arguments of a call with the attribute that its filter asks for.
CALLS: dict[str, dict[str, Any]] = {
    "mlflow.llm.model": {"model": "gpt-4o-mini"},
    "mlflow.llm.provider": {"model": "anthropic/claude-3-5-haiku-20241022"},
    "model_group": {"model": "fast"},
    "finish_reasons": {"mock_response": "cut"},
    "error_code": {"mock_response": "litellm.RateLimitError"},
    "session.id": {"metadata": {"session_id": "chat-42"}},
    "user.id": {"user": "ada"},
}
# Texts that the filters look for, in the response of every call: no filter may find them there.
OTHERS = 'gpt-4o-mini anthropic fast ["length"] "429" chat-42 ada'


def call(attribute: str, model: str = "gpt-4o", mock_response: str = OTHERS, **more: Any) -> None:
    """Make the call that one filter looks for, with the attribute's name as its prompt."""
    response: Any = mock_response
    if mock_response == "cut":
        choice = {"finish_reason": "length", "message": {"content": OTHERS}}
        response = litellm.ModelResponse(model="gpt-4o", choices=[choice])
    params = {"model": "gpt-4o", "mock_response": OTHERS}
    router = litellm.Router([{"model_name": "fast", "litellm_params": params}])
    complete = router.completion if model == "fast" else litellm.completion
    complete(model=model, messages=user(attribute), mock_response=response, **more)


@pytest.fixture
def stored(tracing: Traces) -> Traces:
    """Make all calls, and return the reader of their traces."""
    for attribute, arguments in CALLS.items():
        if attribute == "error_code":
            with pytest.raises(litellm.RateLimitError):
                call(attribute, **arguments)
        else:
            call(attribute, **arguments)
    mlflow.flush_trace_async_logging()
    return tracing


def found(stored: Traces, wanted: str) -> list[str]:
    """Return the prompts of the traces that a filter finds."""
    traces = mlflow.search_traces(
        locations=[stored.experiment_id], filter_string=wanted, return_type="list"
    )
    return sorted(prompts(trace.data.spans[0] for trace in traces))


def prompts(spans: Iterable[Span]) -> set[str]:
    """Return the prompts of spans."""
    return {span.inputs["messages"][0]["content"] for span in spans}


def test_each_filter_finds_its_call(stored: Traces) -> None:
    """Each filter of the page finds one call, whatever the texts of the other calls."""
    assert {name: found(stored, FILTERS[name]) for name in CALLS} == {
        name: [name] for name in CALLS
    }


def test_page_has_a_call_for_each_filter() -> None:
    """Each filter of the page is tested."""
    assert FILTERS.keys() == CALLS.keys()


def test_other_ways_to_compare_are_as_the_page_says(stored: Traces) -> None:
    """`LIKE` without anchors finds every call with the text, `=` none, and `AND` asks one span."""
    group = "span.attributes.model_group"
    assert found(stored, f"{group} = 'fast'") == []
    assert len(found(stored, "span.attributes.mlflow.llm.model LIKE '%gpt-4o-mini%'")) > 1
    same = f"{FILTERS['model_group']} AND span.attributes.deployment RLIKE '^gpt-4o$'"
    assert found(stored, same) == ["model_group"]
    other = (
        f"{FILTERS['model_group']} AND span.attributes.routing_strategy RLIKE '^simple-shuffle$'"
    )
    deployment = "span.attributes.deployment RLIKE '^gpt-4o$'"
    assert (found(stored, other), found(stored, f"{other} AND {deployment}")) == (
        ["model_group"],
        [],
    )


def test_program_compares_numbers(stored: Traces) -> None:
    """The page's program finds the calls with larger numbers."""
    list(litellm.completion("gpt-4o", user("stream"), mock_response="hello", stream=True))
    [program] = blocks(PAGE, "python")
    names: dict[str, Any] = {}
    exec(re.sub(r"> [\d_.]+", "> 0", program), names)
    costly, slow = map(prompts, (names["costly"], names["slow"]))
    assert slow == {"stream"}
    assert costly >= {"stream", "mlflow.llm.model"}
    assert "error_code" not in costly
    large = prompts(trace.data.spans[0] for trace in names["large"])
    assert large == {*CALLS, "stream"} - {"error_code", "finish_reasons"}
