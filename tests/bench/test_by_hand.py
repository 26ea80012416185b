"""The span made by hand has the same data as this package's, so it is a valid lower bound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import litellm
import pytest

from bench import by_hand
from bench.scenarios import asked, streamed

if TYPE_CHECKING:
    from collections.abc import Callable

    from traces import Traces

# Data that differ from call to call.
OF_THE_CALL = {"created", "id"}
# Data that few users would time by hand.
OF_STREAMS_ALONE = {"longest_chunk_gap_ms", "stream_end", "time_to_first_content_ms"}


def call(api: Any) -> None:
    """Make a call."""
    api.completion(**asked())


def acall(api: Any) -> None:
    """Make an async call."""
    asyncio.run(api.acompletion(**asked()))


def stream(api: Any) -> None:
    """Read a stream."""
    assert len(list(api.completion(**streamed(20)))) == 21


def astream(api: Any) -> None:
    """Read an async stream."""

    async def read() -> int:
        return len([chunk async for chunk in await api.acompletion(**streamed(20))])

    assert asyncio.run(read()) == 21


def recorded(traces: Traces) -> dict[str, Any]:
    """Return the data of the last span."""
    span = traces.calls()[-1]
    outputs = {key: value for key, value in span.outputs.items() if key not in OF_THE_CALL}
    return {
        "attributes": span.attributes.keys() - OF_STREAMS_ALONE,
        "name": span.name,
        "type": span.span_type,
        "inputs": span.inputs,
        "outputs": outputs,
        "finish_reasons": span.attributes["finish_reasons"],
        "usage": span.attributes.get("mlflow.chat.tokenUsage"),
        "cost": span.attributes.get("mlflow.llm.cost"),
        "model": span.attributes["mlflow.llm.model"],
        "provider": span.attributes["mlflow.llm.provider"],
    }


@pytest.mark.parametrize("make", [call, acall, stream, astream])
def test_the_floor_records_the_same(make: Callable[[Any], None], traces: Traces) -> None:
    """The hand-made span has the same request, response, tokens, cost, model and provider."""
    import mlflow

    make(by_hand)
    by_the_user = recorded(traces)
    mlflow.litellm.autolog()
    try:
        make(litellm)
    finally:
        mlflow.litellm.autolog(disable=True)
    assert by_the_user == recorded(traces)
