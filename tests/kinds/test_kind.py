"""A kind of call is data: what its entry in the table leaves out, the code for all kinds does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_litellm._payloads.kind import Argument, Kind
from mlflow_litellm._payloads.kinds import table

MODEL = "openai/gpt-4o-mini"
DREAM = Kind("dream", frozenset({"model", "prompt", "picture"}))
KINDS = [kind for kind in vars(table).values() if isinstance(kind, Kind)]


def dream_of(**argument: Any) -> Kind:
    """Return a kind whose pictures are recorded in a way of their own."""
    return Kind("dream", DREAM.recorded, arguments={"picture": Argument(**argument)})


def test_name_and_allowlist_are_enough() -> None:
    """A kind without further fields records its allowed arguments, and reads its responses."""
    request = DREAM.request({"model": MODEL, "prompt": "a sheep", "api_key": "k"})
    assert request.inputs == {"model": MODEL, "prompt": "a sheep"}
    response = {"text": "woof", "usage": {"prompt_tokens": 1, "completion_tokens": 2}, "_own": 1}
    parsed = DREAM.parse_response(response, {"model": MODEL})
    assert parsed.outputs == {"text": "woof", "usage": response["usage"]}
    assert parsed.usage == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    assert (parsed.provider, parsed.cache_hit) == ("openai", False)


def test_kind_without_accumulator_has_no_streams() -> None:
    """The stream of a kind without an accumulator is not merged."""
    assert DREAM.accumulate({"model": MODEL}, object()) is None


def test_argument_with_a_reader_is_not_copied() -> None:
    """If an argument has a reader, only the reader sees it: it may be a file."""
    picture = object()
    kind = dream_of(read=lambda value: f"read: {value is picture}")
    assert kind.request({"picture": picture}).inputs == {"picture": "read: True"}


@pytest.mark.parametrize(
    ("given", "inputs", "has_media"), [("text", "text", False), ("media", "redacted", True)]
)
def test_only_media_are_redacted_if_the_argument_may_hold_them(
    given: str, inputs: str, has_media: bool
) -> None:
    """An argument that may hold media is changed only if it holds them."""
    kind = dream_of(is_media=lambda value: value == "media", redact=lambda _: "redacted")
    request = kind.request({"picture": given})
    assert (request.inputs["picture"], request.has_media) == (inputs, has_media)


def test_cost_is_litellms_without_a_line_for_it_in_the_kind() -> None:
    """The cost of any kind is LiteLLM's figure, and 0 for a response from the cache."""
    usage = {"prompt_tokens": 1, "completion_tokens": 0}
    price = {"response_cost": 0.5, "litellm_model_name": MODEL}
    response = {"usage": usage, "_hidden_params": price}
    cost = DREAM.parse_response(response, {"model": MODEL}).cost
    assert cost is not None
    assert cost["total_cost"] == 0.5
    cached = {**response, "_hidden_params": {**price, "cache_hit": True}}
    assert DREAM.parse_response(cached, {"model": MODEL}).cost == dict.fromkeys(cost, 0.0)


def test_provider_of_a_failure_is_the_kinds() -> None:
    """If a kind finds the provider in a way of its own, it does so for a failed call as well."""
    error = SimpleNamespace(llm_provider=None)
    kind = Kind("dream", frozenset(), provider=lambda arguments: arguments["sleeper"])
    failure: Any = kind.failure
    assert failure(error, {"sleeper": "deckard"}).provider == "deckard"


def test_each_kind_has_a_name_of_its_own() -> None:
    """The documentation and the tests find a kind by its name."""
    assert len(KINDS) == len({kind.name for kind in KINDS}) > 10
