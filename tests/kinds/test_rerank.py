"""Rerankings: the query, the documents, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from services import RERANK, assert_priced

from mlflow_litellm._payloads.kinds import table

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces


def test_ranking_is_recorded_as_it_came(tracing: Traces, caller: Caller) -> None:
    """The index and the score of each document and the billed units are recorded."""
    response = RERANK.call(caller, top_n=2, return_documents=False)
    span = tracing.span()
    assert span.inputs == {**RERANK.arguments, "top_n": 2, "return_documents": False}
    assert span.outputs["results"] == response.results
    assert [item["index"] for item in span.outputs["results"]] == [0, 1]
    assert span.outputs["meta"]["billed_units"] == {"search_units": 1}


def test_cost_is_litellms_own(tracing: Traces, caller: Caller) -> None:
    """A reranking is priced by the search, without tokens."""
    response = RERANK.call(caller)
    span = tracing.span()
    assert_priced(span, response)
    assert "mlflow.chat.tokenUsage" not in span.attributes


def test_tokens_are_recorded_where_they_are_billed(tracing: Traces, caller: Caller) -> None:
    """Voyage bills by tokens, and the tokens are recorded."""
    base = caller.provider.openai_base
    response = RERANK.call(caller, model="voyage/rerank-2", api_base=base)
    span = tracing.span()
    assert_priced(span, response)
    assert span.attributes["mlflow.chat.tokenUsage"] == {
        "input_tokens": 26,
        "output_tokens": 0,
        "total_tokens": 26,
    }
    assert span.attributes["mlflow.llm.provider"] == "voyage"


def test_documents_may_be_dicts(tracing: Traces, caller: Caller) -> None:
    """Documents that are dicts are ranked by some of their fields."""
    documents = [{"text": "one", "title": "1"}, {"text": "two", "title": "2"}]
    RERANK.call(caller, documents=documents, rank_fields=["text"])
    inputs = tracing.span().inputs
    assert (inputs["documents"], inputs["rank_fields"]) == (documents, ["text"])


@pytest.mark.parametrize(
    ("meta", "usage"),
    [
        (
            {"tokens": {"input_tokens": 5, "output_tokens": 1}},
            {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6},
        ),
        ({"billed_units": {"search_units": 1}}, None),
        ({"tokens": {"input_tokens": 0, "output_tokens": 0}}, None),
        ({}, None),
        (None, None),
        ("odd", None),
    ],
)
def test_tokens_stand_in_two_places(meta: Any, usage: Any) -> None:
    """Tokens are read from the field that has them, and are absent if there are none."""
    assert (
        table.RERANK.parse_response({"results": [], "meta": meta}, {"model": "cohere/m"}).usage
        == usage
    )


def test_answer_that_is_no_response_is_plain_data() -> None:
    """A response of an unknown type is recorded by its type."""
    assert (
        table.RERANK.parse_response(object(), {"model": "cohere/m"}).outputs == "<builtins.object>"
    )
