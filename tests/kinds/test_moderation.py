"""Moderation: the input and the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from services import MODERATION

from mlflow_litellm._payloads.kinds import table

if TYPE_CHECKING:
    from callers import Caller
    from traces import Traces


@pytest.mark.parametrize(("text", "flagged"), [("a plan to attack", True), ("a picnic", False)])
def test_judgement_is_recorded(text: str, flagged: bool, tracing: Traces, caller: Caller) -> None:
    """Categories and scores are in the outputs, and ``flagged`` is also an attribute."""
    response = MODERATION.call(caller, input=text)
    span = tracing.span()
    [result] = span.outputs["results"]
    assert result["flagged"] is response.results[0].flagged is flagged
    assert result["categories"]["violence"] is flagged
    assert result["category_scores"]["violence"] == (0.9 if flagged else 0.1)
    assert span.attributes["flagged"] is flagged
    assert span.attributes["mlflow.llm.model"] == "omni-moderation-latest"


def test_one_of_many_texts_is_enough(tracing: Traces, caller: Caller) -> None:
    """The attribute ``flagged`` is true if one of the texts is flagged."""
    MODERATION.call(caller, input=["a picnic", "an attack"])
    span = tracing.span()
    assert span.inputs["input"] == ["a picnic", "an attack"]
    assert [result["flagged"] for result in span.outputs["results"]] == [False, True]
    assert span.attributes["flagged"] is True


def test_model_may_be_left_out(tracing: Traces, caller: Caller) -> None:
    """Without a model, the provider is OpenAI, and the response has the model."""
    MODERATION.call(caller, model=None)
    span = tracing.span()
    assert set(span.inputs) == {"input"}
    assert span.attributes["mlflow.llm.provider"] == "openai"
    assert span.attributes["mlflow.llm.model"] == "omni-moderation-latest"


def test_it_is_free(tracing: Traces, caller: Caller) -> None:
    """Tokens and cost are absent, because moderation is free."""
    MODERATION.call(caller)
    attributes = tracing.span().attributes
    assert not {"mlflow.chat.tokenUsage", "mlflow.llm.cost", "response_cost"} & set(attributes)


def test_pictures_are_noticed() -> None:
    """Images that are data become attachments, and URLs lose their signatures."""
    told = table.MODERATION.request(
        {
            "input": [
                {"type": "text", "text": "hello"},
                {"type": "image_url", "image_url": {"url": "https://host/a?sig=very-secret"}},
            ]
        }
    )
    assert told.has_media
    assert "very-secret" not in repr(told)


@pytest.mark.parametrize("response", [object(), {}, {"results": None}, {"results": []}])
def test_answer_without_results_is_no_judgement(response: Any) -> None:
    """Without results, the attribute ``flagged`` is absent."""
    assert "flagged" not in table.MODERATION.parse_response(response, {}).attributes
