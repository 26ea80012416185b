"""Retrieval: searches of a vector store, and responses that use the search results."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from callers import user
from kinds import SECRET, call, is_async, openai
from mlflow.entities import SpanStatusCode
from mlflow.genai.utils.trace_utils import extract_retrieval_context_from_trace
from traces import answer_text, ending, exception_event

from mlflow_litellm._payloads.kinds.table import VECTOR_STORES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callers import Caller
    from mlflow.entities import Span
    from provider import LoopbackProvider
    from traces import Traces

needs_query = pytest.mark.skipif(not hasattr(litellm, "query"), reason="LiteLLM has no RAG")
needs_stores = pytest.mark.skipif(
    not hasattr(vars(litellm).get("vector_stores"), "search"), reason="LiteLLM searches no stores"
)

RERANKING = {"enabled": True, "model": "cohere/rerank-v3.5", "top_n": 1}
STORE = {"vector_store_id": "vs_1", "custom_llm_provider": "openai", "top_k": 3}
DOCUMENT = {
    "page_content": "Paris is warm.",
    "metadata": {
        "file_id": "file-0",
        "score": 0.9,
        "attributes": {"lang": "en"},
        "doc_uri": "0.txt",
    },
}


@pytest.fixture(autouse=True)
def _loop(provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the event loop and the reranker's address and key, which are no arguments."""
    monkeypatch.setenv("COHERE_API_KEY", SECRET)
    monkeypatch.setenv("COHERE_API_BASE", provider.anthropic_base)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def ask(caller: Caller, text: str = "warm?", **kwargs: Any) -> Any:
    """Make a call whose response uses documents of a store."""
    known = openai(caller, messages=user(text), retrieval_config=STORE, max_retries=0)
    return call(caller, "query", **{**known, **kwargs})


def search(caller: Caller, query: str = "warm?", **kwargs: Any) -> Any:
    """Search a store."""
    known = {"api_base": caller.provider.openai_base, "api_key": SECRET, "query": query}
    asked = {**known, "vector_store_id": "vs_1", "custom_llm_provider": "openai", **kwargs}
    return call(caller, "search", litellm.vector_stores, **asked)


def chain_and_steps(traces: Traces) -> tuple[Span, list[Span]]:
    """Return the span of the query, which is the root of the only trace, and its children."""
    chain, *steps = traces.calls()
    assert chain.parent_id is None
    assert {step.parent_id for step in steps} == {chain.span_id}
    return chain, steps


@needs_stores
def test_search_is_one_retriever_span(tracing: Traces, caller: Caller) -> None:
    """Each document has its text in one field and the other data in the metadata."""
    search(caller, max_num_results=2, filters={"type": "eq", "key": "lang", "value": "en"})
    span = tracing.span()
    prefix = "a" if is_async(caller) else ""
    assert (span.name, span.span_type) == (f"litellm-vector_stores.{prefix}search", "RETRIEVER")
    assert span.inputs == {
        "query": "warm?",
        "vector_store_id": "vs_1",
        "max_num_results": 2,
        "filters": {"type": "eq", "key": "lang", "value": "en"},
    }
    assert span.outputs[0] == DOCUMENT
    assert len(span.outputs) == 2
    assert span.attributes["mlflow.llm.provider"] == "openai"
    [found] = extract_retrieval_context_from_trace(tracing.one()).values()
    assert found[0] == {"content": "Paris is warm.", "doc_uri": "0.txt"}
    assert SECRET not in tracing.one().to_json()


@needs_stores
def test_search_that_fails_is_an_error(tracing: Traces, caller: Caller) -> None:
    """The exception is LiteLLM's own."""
    with pytest.raises(litellm.RateLimitError):
        search(caller, "/error 429")
    assert tracing.span().status.status_code == SpanStatusCode.ERROR


def test_long_document_is_cut() -> None:
    """A store may contain whole files, so a long text is cut."""
    content = [{"type": "text", "text": "a" * 20_000}, {"type": "text", "text": "b"}]
    [document] = VECTOR_STORES.parse_response({"data": [{"content": content}]}, {}).outputs
    assert document["page_content"].endswith("… <10002 more characters>")
    assert len(document["page_content"]) < 10_100


def test_answer_that_is_no_page_is_plain_data() -> None:
    """A response of an unknown type is recorded by its type."""
    assert VECTOR_STORES.parse_response(object(), {}).outputs == "<builtins.object>"


@needs_query
def test_query_is_a_chain_of_search_ranking_and_answer(tracing: Traces, caller: Caller) -> None:
    """The search, the ranking and the chat are children, each with its own inputs."""
    response = ask(caller, rerank=RERANKING)
    chain, [found, ranked, answered] = chain_and_steps(tracing)
    name = "litellm-aquery" if is_async(caller) else "litellm-query"
    assert (chain.name, chain.span_type) == (name, "CHAIN")
    assert [(step.name, step.span_type) for step in (found, ranked, answered)] == [
        ("litellm-vector_stores.asearch", "RETRIEVER"),
        ("litellm-arerank", "RERANKER"),
        ("litellm-acompletion", "LLM"),
    ]
    assert found.inputs == {"query": "warm?", "vector_store_id": "vs_1", "max_num_results": 3}
    assert found.outputs[0] == DOCUMENT
    assert ranked.inputs["documents"] == ["Paris is warm.", "Oslo is cold."]
    assert "Paris is warm." in answered.inputs["messages"][0]["content"]
    assert "Oslo" not in answered.inputs["messages"][0]["content"]
    assert answer_text(chain) == response.choices[0].message.content
    trace = tracing.one()
    assert trace.info.token_usage["total_tokens"] == response.usage.total_tokens
    assert "mlflow.chat.tokenUsage" not in chain.attributes


@needs_query
def test_configuration_is_recorded_without_secrets(tracing: Traces, caller: Caller) -> None:
    """The configuration may have the store's address and key."""
    known = {"api_key": "sk-hush", "api_base": "https://user:hush@example.com"}
    ask(caller, retrieval_config={**STORE, **known}, rerank=RERANKING)
    chain, _ = chain_and_steps(tracing)
    assert STORE.items() <= chain.inputs["retrieval_config"].items()
    assert chain.inputs["rerank"] == RERANKING
    told = json.dumps(tracing.one().to_dict())
    assert not [secret for secret in (SECRET, "hush") if secret in told]


@needs_query
def test_streamed_query_ends_as_its_stream(tracing: Traces, caller: Caller) -> None:
    """LiteLLM returns an async stream for the sync call, too."""
    stream = ask(caller, stream=True)

    async def read() -> list[Any]:
        return [chunk async for chunk in stream]

    if is_async(caller):
        assert caller.read(stream)
    else:
        assert asyncio.get_event_loop().run_until_complete(read())
    chain, [_, answered] = chain_and_steps(tracing)
    assert ending(chain) == ending(answered) == ("finished", SpanStatusCode.OK)
    assert answer_text(chain) == answer_text(answered) == "You said: warm?"


@needs_query
def test_query_fails_with_what_failed(tracing: Traces, caller: Caller) -> None:
    """The failed search has its error, and no later call is made."""
    with pytest.raises(Exception, match="out of luck"):
        ask(caller, "/error 429")
    chain, [found] = chain_and_steps(tracing)
    for span in (chain, found):
        assert span.status.status_code == SpanStatusCode.ERROR
    assert exception_event(found)["exception.type"] == "RateLimitError"
