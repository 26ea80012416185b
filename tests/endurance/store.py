"""Reads the traces in the store one by one, without keeping all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow.tracing.constant import TraceMetadataKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient
    from mlflow.entities import Trace


@dataclass(frozen=True)
class Stored:
    """
    One trace.

    Attributes:
        name: The name of its call.
        state: Its state, such as ``"OK"``.
        spans: The span ids.
        statuses: The span statuses.
        ends: The recorded ends of the streams.
        text: The recorded text of the response.
    """

    name: str
    state: str
    spans: tuple[str, ...]
    statuses: tuple[str, ...]
    ends: tuple[str, ...]
    text: str


def stored(client: MlflowClient) -> Iterator[Stored]:
    """Yield every trace of the default experiment."""
    token = None
    while True:
        page = client.search_traces(locations=["0"], max_results=500, page_token=token)
        yield from map(_stored, page)
        if not (token := page.token):
            return


def _stored(trace: Trace) -> Stored:
    spans = trace.data.spans
    return Stored(
        trace.info.trace_metadata.get(TraceMetadataKey.TRACE_SESSION, ""),
        trace.info.state.value,
        tuple(f"{trace.info.trace_id} {span.span_id}" for span in spans),
        tuple(span.status.status_code.value for span in spans),
        tuple(span.attributes.get("stream_end", "") for span in spans),
        _text(spans[0].outputs if spans else None),
    )


def _text(outputs: Any) -> str:
    choices = (outputs or {}).get("choices") or [{"message": {}}]
    return choices[0]["message"].get("content") or ""
