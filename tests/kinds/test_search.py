"""Web searches: the query, and the results as a retriever's documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import litellm
import pytest
from mlflow.genai.utils.trace_utils import extract_retrieval_context_from_trace
from services import SEARCH, assert_priced

from mlflow_litellm._payloads.kinds import table

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

pytestmark = pytest.mark.skipif(not hasattr(litellm, "search"), reason="LiteLLM cannot search")
URL = "https://example.com/tracing?token=[REDACTED]"


def test_found_pages_are_documents(tracing: Traces, caller: Caller) -> None:
    """Each page has its text in one field and the rest in the metadata, with redacted URLs."""
    response = SEARCH.call(caller)
    [found] = response.results
    assert found.snippet == "What tracing is."
    # Since LiteLLM 1.110.
    score = {"score": found.score} if hasattr(found, "score") else {}
    assert tracing.span().outputs == [
        {
            "page_content": "What tracing is.",
            "metadata": {"title": "Tracing", "doc_uri": URL, **score},
        }
    ]


def test_mlflows_scorers_find_them(tracing: Traces, caller: Caller) -> None:
    """MLflow's scorers judge a response by the retrieved documents."""
    SEARCH.call(caller)
    [found] = extract_retrieval_context_from_trace(tracing.one()).values()
    assert found == [{"content": "What tracing is.", "doc_uri": URL}]


def test_parameters_are_recorded(tracing: Traces, caller: Caller) -> None:
    """LiteLLM's parameters and common parameters of providers are recorded."""
    given = {"max_results": 3, "search_domain_filter": ["example.com"], "topic": "news"}
    SEARCH.call(caller, **given)
    assert tracing.span().inputs == {**SEARCH.arguments, **given}


def test_cost_is_litellms_own(tracing: Traces, caller: Caller) -> None:
    """A search is priced by the query, without tokens."""
    response = SEARCH.call(caller)
    span = tracing.span()
    assert_priced(span, response)
    assert "mlflow.chat.tokenUsage" not in span.attributes


def test_several_queries_are_one_search() -> None:
    """Some providers accept several queries in one search."""
    told = table.SEARCH.request({"query": ["one", "two"], "search_provider": "perplexity"})
    assert told.inputs["query"] == ["one", "two"]


def test_answer_that_is_no_response_is_plain_data() -> None:
    """A response of an unknown type is recorded by its type."""
    told = table.SEARCH.parse_response(object(), {"search_provider": "tavily"})
    assert (told.outputs, told.provider) == ("<builtins.object>", "tavily")
