"""No exception of MLflow's tracing reaches the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from breakable import BREAKABLE, raising
from faults import Ways

if TYPE_CHECKING:
    from provider import LoopbackProvider
    from traces import Traces


class TracingBrokenError(Exception):
    """The exception that the broken tracing raises."""


@pytest.fixture(scope="module")
def ways(provider: LoopbackProvider) -> Ways:
    """Return every way to call LiteLLM, with its untraced outcome."""
    return Ways(provider)


@pytest.mark.parametrize("what", BREAKABLE)
def test_call_does_not_notice_what_breaks(
    what: str, ways: Ways, tracing: Traces, production: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests, response and exception are as untraced, and calls are traced after the repair."""
    with monkeypatch.context() as patched:
        patched.setattr(*BREAKABLE[what], raising(what, TracingBrokenError()))
        assert ways.differing() == {}
    ways.assert_traced(tracing)


def test_what_spans_are_made_with_is_among_what_breaks() -> None:
    """The functions that make spans are among the broken ones. Fails if the search misses them."""
    assert {
        "mlflow.start_span_no_context",
        "mlflow.update_current_trace",
        "mlflow.tracing.provider.set_span_in_context",
        "mlflow.tracing.provider.detach_span_from_context",
        "span.add_event",
        "span.end",
        "span.parent_id",
        "span.set_attributes",
        "span.set_span_type",
    } <= BREAKABLE.keys()
