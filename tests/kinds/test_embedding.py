"""Embeddings: the texts, and the size of the vectors."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from services import EMBEDDING, assert_priced

from mlflow_litellm._payloads.kinds import table

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces

HEAD = [i / 1024 for i in range(5)]


def test_answer_keeps_its_shape_with_vectors_described(tracing: Traces, caller: Caller) -> None:
    """The span has each vector's dimension and first five numbers; the caller gets it whole."""
    response = EMBEDDING.call(caller)
    outputs = tracing.span().outputs
    assert [len(item["embedding"]) for item in response.data] == [1536, 1536]
    assert outputs["object"] == "list"
    assert outputs["model"] == "text-embedding-3-small"
    assert outputs["data"] == [
        {
            "object": "embedding",
            "index": index,
            "embedding": {"dimension": 1536, "head": [index + value for value in HEAD]},
        }
        for index in range(2)
    ]


def test_tokens_cost_and_counts_are_recorded(tracing: Traces, caller: Caller) -> None:
    """All of the cost is the input's."""
    response = EMBEDDING.call(caller)
    span = tracing.span()
    assert_priced(span, response)
    assert span.attributes["mlflow.llm.cost"]["output_cost"] == 0
    assert span.attributes["mlflow.chat.tokenUsage"] == {
        "input_tokens": 3,
        "output_tokens": 0,
        "total_tokens": 3,
    }
    assert span.attributes["embedding_count"] == 2
    assert span.attributes["embedding_dimension"] == 1536


def test_parameters_are_recorded(tracing: Traces, caller: Caller) -> None:
    """The parameters that shape the vectors are recorded."""
    EMBEDDING.call(caller, dimensions=8, encoding_format="float", input="one text")
    span = tracing.span()
    assert span.inputs == {
        "model": "openai/text-embedding-3-small",
        "input": "one text",
        "dimensions": 8,
        "encoding_format": "float",
    }
    assert span.attributes["embedding_dimension"] == 8


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_base64_is_recorded_by_its_size(tracing: Traces, caller: Caller) -> None:
    """The dimension is absent, because base64 does not show it."""
    response = EMBEDDING.call(caller, encoding_format="base64")
    span = tracing.span()
    assert isinstance(response.data[0]["embedding"], str)
    assert span.outputs["data"][0]["embedding"] == "<base64: 8192 characters>"
    assert "embedding_dimension" not in span.attributes
    assert span.attributes["embedding_count"] == 2


def test_many_vectors_are_recorded_by_their_number(tracing: Traces, caller: Caller) -> None:
    """The first ten vectors and the number of the others are recorded."""
    EMBEDDING.call(caller, input=["x"] * 200, dimensions=4)
    span = tracing.span()
    assert len(span.inputs["input"]) == 200
    assert len(span.outputs["data"]) == 11
    assert span.outputs["data"][-1] == "<190 more>"
    assert span.attributes["embedding_count"] == 200


def test_cache_hit_costs_nothing(tracing: Traces, caller: Caller, litellm_cache: None) -> None:
    """The vectors are the same, and the cost of the hit is 0."""
    for _ in range(2):
        EMBEDDING.call(caller, caching=True)
    first, second = tracing.calls()
    assert [span.attributes["cache_hit"] for span in (first, second)] == [False, True]
    assert first.attributes["mlflow.llm.cost"]["total_cost"] > 0
    assert second.attributes["mlflow.llm.cost"]["total_cost"] == 0
    assert first.outputs["data"] == second.outputs["data"]


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ([1, 2, 3], "<3 tokens>"),
        ([[1, 2, 3], [4]], ["<3 tokens>", "<1 tokens>"]),
        (["text", [4]], ["text", "<1 tokens>"]),
        ([], []),
        (5, 5),
    ],
)
def test_inputs_that_are_tokens_are_counted(given: Any, recorded: Any) -> None:
    """Tokens are counted, because their numbers mean nothing to a reader."""
    assert table.EMBEDDING.request({"input": given}).inputs == {"input": recorded}


def test_vectors_are_not_copied() -> None:
    """A copy would take longer than some calls, and twice the memory."""
    entry = {"object": "embedding", "index": 0, "embedding": [0.5] * 1536}
    few, many = (litellm.EmbeddingResponse(model="m", data=[entry] * n) for n in (1, 2000))
    # Memory for modules that LiteLLM loads at the first call is not counted.
    table.EMBEDDING.parse_response(few, {"model": "m"})
    tracemalloc.start()
    told = table.EMBEDDING.parse_response(many, {"model": "m"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told.attributes["embedding_count"] == 2000
    assert peak < 500_000


def test_vectors_of_each_token_are_described() -> None:
    """A few providers return one vector for each token."""
    entry = litellm.utils.Embedding(embedding=[[0.1] * 1000] * 7, index=0, object="embedding")
    told = table.EMBEDDING.parse_response(
        litellm.EmbeddingResponse(model="m", data=[entry]), {"model": "m"}
    )
    assert told.outputs["data"][0]["embedding"] == {"dimension": 7, "head": []}


def test_no_tokens_are_absent() -> None:
    """LiteLLM fills in 0 if the provider reports none."""
    response = litellm.EmbeddingResponse(model="m", data=[])
    told = table.EMBEDDING.parse_response(response, {"model": "m"})
    assert told.usage is None
    assert "embedding_count" not in told.attributes


@pytest.mark.parametrize(
    "picture",
    [
        "data:image/png;base64," + "AAAA" * 1000,
        {"image": "data:image/png;base64," + "AAAA" * 1000},
        {"type": "image_url", "image_url": {"url": "https://host/a.png?sig=very-secret"}},
        "https://host/a.png?sig=very-secret",
    ],
)
def test_pictures_are_noticed(picture: Any) -> None:
    """MLflow moves images that are data out of the span."""
    told = table.EMBEDDING.request({"input": ["text", picture]})
    assert told.has_media
    assert "very-secret" not in json.dumps(told.inputs)


def test_texts_are_not_taken_for_pictures() -> None:
    """MLflow takes time to look for attachments."""
    assert not table.EMBEDDING.request({"input": ["text", "more"]}).has_media


def test_answer_that_is_no_response_is_plain_data() -> None:
    """A response of an unknown type is recorded by its type."""
    assert table.EMBEDDING.parse_response(object(), {"model": "m"}).outputs == "<builtins.object>"
