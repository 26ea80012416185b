"""Instructor: its clients keep the function that they got, traced or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import instructor
import litellm
import mlflow
import pytest
from callers import MODEL, user
from documents import blocks
from instructor.core.exceptions import InstructorRetryException
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from traces import Traces

MODES = pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA])


class Person(BaseModel):
    """Fields that the provider can fill in; it answers everything with yes."""

    name: str
    city: str


class Aged(BaseModel):
    """Fields that the provider cannot fill in."""

    age: int


PERSON = {"name": "yes", "city": "yes"}


def asked(known: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call."""
    return {"response_model": Person, "messages": user("hello"), "model": MODEL, **known, **kwargs}


@MODES
def test_call_is_one_span(
    mode: Any, known: dict[str, Any], tracing: Traces, answered: Callable
) -> None:
    """A call is one span with the provider's tokens in every mode."""
    client = instructor.from_litellm(litellm.completion, mode=mode)
    assert client.create(**asked(known)).model_dump() == PERSON
    assert tracing.span().name == "litellm-completion"
    assert tracing.one().info.token_usage == answered()


@MODES
def test_asynchronous_call_is_one_span(
    mode: Any, known: dict[str, Any], tracing: Traces, answered: Callable, run: Callable
) -> None:
    """Instructor recognizes the traced async function as async."""
    client = instructor.from_litellm(litellm.acompletion, mode=mode)
    assert run(lambda: client.create(**asked(known))).model_dump() == PERSON
    assert tracing.span().name == "litellm-acompletion"
    assert tracing.one().info.token_usage == answered()


@MODES
def test_stream_is_one_span(
    mode: Any, known: dict[str, Any], tracing: Traces, answered: Callable, run: Callable
) -> None:
    """Over LiteLLM, Instructor reads streams only asynchronously; each is one span."""
    client = instructor.from_litellm(litellm.acompletion, mode=mode)
    given = asked(known, stream_options={"include_usage": True})

    async def read() -> list[Any]:
        return [person async for person in client.create_partial(**given)]

    assert run(read)[-1].model_dump() == PERSON
    assert tracing.span().attributes["stream_end"] == "finished"
    assert tracing.one().info.token_usage == answered()


def test_each_attempt_is_a_call(known: dict[str, Any], tracing: Traces, answered: Callable) -> None:
    """Instructor calls again if the response does not fit, and each call is a span."""
    client = instructor.from_litellm(litellm.completion)
    with mlflow.start_span("parent"), pytest.raises(InstructorRetryException):
        client.create(**asked(known, response_model=Aged, max_retries=1))
    trace = tracing.one()
    parents = [call.parent_id for call in tracing.calls()]
    assert parents == [trace.data.spans[0].span_id] * 2
    assert trace.info.token_usage == answered()


def test_client_that_was_made_before_is_not_traced(known: dict[str, Any], traces: Traces) -> None:
    """A client made before keeps the untraced function in a closure, which cannot be changed."""
    client = instructor.from_litellm(litellm.completion)
    mlflow.litellm.autolog()
    assert client.create(**asked(known)).model_dump() == PERSON
    assert traces.all() == []


def test_client_of_a_function_that_looks_it_up_is_traced(
    known: dict[str, Any], traces: Traces
) -> None:
    """A client of a function that looks LiteLLM's up at each call may be made before."""

    def complete(**kwargs: Any) -> Any:
        return litellm.completion(**kwargs)

    client = instructor.from_litellm(complete)
    mlflow.litellm.autolog()
    assert client.create(**asked(known)).model_dump() == PERSON
    assert traces.span().name == "litellm-completion"


def test_client_that_was_made_of_a_name_is_traced(known: dict[str, Any], tracing: Traces) -> None:
    """A client made from a name while tracing is on is traced."""
    client = instructor.from_provider(f"litellm/{MODEL}")
    assert client.create(**{**asked(known), "model": MODEL}).model_dump() == PERSON
    assert tracing.span().name == "litellm-completion"


def test_client_of_the_page_may_be_made_before(known: dict[str, Any], traces: Traces) -> None:
    """The page's client looks the function up at each call, so it may be made before."""
    page: dict[str, Any] = {}
    exec(blocks("docs/frameworks.md", "python")[1], page)
    mlflow.litellm.autolog()
    page["client"].create(**asked(known))
    assert traces.span().name == "litellm-completion"
