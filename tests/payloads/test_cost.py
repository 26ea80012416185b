"""The recorded cost is LiteLLM's own, in MLflow's three parts, streamed or not."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from callers import ANTHROPIC, MODEL, SyncCaller, user
from litellm.integrations.custom_logger import CustomLogger

from mlflow_litellm._instrumentation.builtin_callback import LISTS
from mlflow_litellm._payloads import cost as cost_module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callers import Caller
    from mlflow.entities import Span
    from provider import LoopbackProvider
    from traces import Traces

# LiteLLM caches the prices of a call for all later calls of the same model.
REPRICED = "openai/gpt-4.1-nano"
CUSTOM = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.003}
COUNTED = {"stream_options": {"include_usage": True}}


class Ledger(CustomLogger):
    """Records the cost that LiteLLM logs after each call."""

    def __init__(self) -> None:
        super().__init__()
        self._noted = threading.Event()
        self._cost: Any = None

    def log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        """Record the cost of a sync call."""
        self._cost = kwargs.get("response_cost")
        self._noted.set()

    async def async_log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        """Record the cost of an async call."""
        self.log_success_event(kwargs)

    def cost(self, caller: Caller) -> Any:
        """Wait for the cost of the only call since the last reading."""
        if isinstance(caller, SyncCaller):
            assert self._noted.wait(10)
        else:
            assert caller.run(lambda: asyncio.to_thread(self._noted.wait, 10))
        self._noted.clear()
        return self._cost


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    """Register a ledger in LiteLLM, which accepts one instance of a class and moves it later."""
    ledger = Ledger()
    litellm.callbacks.append(ledger)
    yield ledger
    for name in LISTS:
        callbacks = getattr(litellm, name)
        callbacks[:] = [callback for callback in callbacks if callback is not ledger]


def parts(span: Span) -> dict[str, float]:
    """Return the parts of a span's cost, after a check of their sum and of LiteLLM's attribute."""
    cost = span.attributes["mlflow.llm.cost"]
    assert cost["input_cost"] + cost["output_cost"] == pytest.approx(cost["total_cost"])
    assert span.attributes["response_cost"] == cost["total_cost"]
    return cost


CALLS = {
    "list price": ("one two three", {"model": MODEL}),
    "cached tokens": ("/cached", {"model": ANTHROPIC}),
    "cached tokens, OpenAI": ("/cached", {"model": MODEL}),
    "prices in the call": ("one two three", {"model": REPRICED, **CUSTOM}),
    "prices of an unknown model": ("one two", {"model": "openai/priced-model", **CUSTOM}),
    "base model": ("one two", {"model": "openai/mine", "model_info": {"base_model": "gpt-4o"}}),
    "service tier": ("one two three", {"model": "openai/gpt-5-mini", "service_tier": "flex"}),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("text", "arguments"), CALLS.values(), ids=CALLS)
def test_cost_is_what_litellm_logs(
    text: str, arguments: Any, stream: bool, tracing: Traces, caller: Caller, ledger: Ledger
) -> None:
    """The recorded cost equals the cost that LiteLLM logs, to the last digit."""
    if stream:
        caller.stream(text, **arguments, **COUNTED)
    else:
        caller.complete(text, **arguments)
    assert parts(tracing.span())["total_cost"] == ledger.cost(caller) > 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_prices_in_the_call_divide_its_cost(stream: bool, tracing: Traces, caller: Caller) -> None:
    """Prices in the call's arguments are used instead of the list prices."""
    answered = caller.stream if stream else caller.complete
    answered("one two three", model=REPRICED, **CUSTOM, **(COUNTED if stream else {}))
    span = tracing.span()
    counted = span.attributes["mlflow.chat.tokenUsage"]
    assert parts(span)["input_cost"] == pytest.approx(0.001 * counted["input_tokens"])
    assert parts(span)["output_cost"] == pytest.approx(0.003 * counted["output_tokens"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_prices_of_a_deployment_are_routers(stream: bool, tracing: Traces, caller: Caller) -> None:
    """Prices of a deployment are used, which Router registers under the deployment's id."""
    arguments = caller.arguments("")
    del arguments["messages"]
    deployment = {
        "model_name": "group",
        "litellm_params": arguments,
        "model_info": {"id": "priced-deployment", **CUSTOM},
    }
    router = litellm.Router(model_list=[deployment])
    asked: dict[str, Any] = {"model": "group", "messages": user("one two three")}
    if stream:
        asked |= {"stream": True, **COUNTED}
    if isinstance(caller, SyncCaller):
        result = router.completion(**asked)
    else:
        result = caller.run(lambda: router.acompletion(**asked))
    if stream:
        caller.read(result)
    _, span = tracing.calls()
    counted = span.attributes["mlflow.chat.tokenUsage"]
    assert span.attributes["model_id"] == "priced-deployment"
    assert span.attributes["model_group"] == "group"
    assert parts(span)["input_cost"] == pytest.approx(0.001 * counted["input_tokens"])
    assert parts(span)["output_cost"] == pytest.approx(0.003 * counted["output_tokens"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_free_model_costs_nothing(stream: bool, tracing: Traces, caller: Caller) -> None:
    """The cost of a free model is recorded as 0, because it is known."""
    free = {"input_cost_per_token": 0, "output_cost_per_token": 0}
    answered = caller.stream if stream else caller.complete
    answered("one two", model="openai/free-model", **free, **(COUNTED if stream else {}))
    assert parts(tracing.span()) == {"input_cost": 0, "output_cost": 0, "total_cost": 0}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_model_without_a_price_has_no_cost(stream: bool, tracing: Traces, caller: Caller) -> None:
    """An unknown cost is absent."""
    answered = caller.stream if stream else caller.complete
    answered("hello", model="openai/no-such-model", **(COUNTED if stream else {}))
    attributes = tracing.span().attributes
    assert attributes["mlflow.chat.tokenUsage"]["total_tokens"] > 0
    assert "mlflow.llm.cost" not in attributes
    assert "response_cost" not in attributes


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_price_that_litellm_makes_up_is_none(stream: bool, tracing: Traces, caller: Caller) -> None:
    """No cost is recorded if LiteLLM returns 0 for an unknown model of a known family."""
    answered = caller.stream if stream else caller.complete
    answered("hello", model="anthropic/claude-opus-9", **(COUNTED if stream else {}))
    assert tracing.span().attributes["mlflow.chat.tokenUsage"]["total_tokens"] > 0
    assert "response_cost" not in tracing.span().attributes


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_cache_hit_costs_nothing(
    stream: bool, tracing: Traces, caller: Caller, litellm_cache: None
) -> None:
    """A cache hit costs 0, although LiteLLM repeats the first response's price."""
    for _ in range(2):
        answered = caller.stream if stream else caller.complete
        answered("cached", caching=True, **(COUNTED if stream else {}))
    first, second = tracing.calls()
    assert parts(first)["total_cost"] > 0
    assert parts(second) == {"input_cost": 0, "output_cost": 0, "total_cost": 0}


def test_estimated_stream_costs_what_litellm_logs(
    tracing: Traces, caller: Caller, ledger: Ledger
) -> None:
    """The cost of a stream with estimated usage is LiteLLM's. Before 1.110 there is none."""
    caller.stream("one two three")
    logged = ledger.cost(caller)
    attributes = tracing.span().attributes
    if "usage_is_estimate" in attributes:
        assert parts(tracing.span())["total_cost"] == pytest.approx(logged)
    else:
        assert not {"mlflow.chat.tokenUsage", "mlflow.llm.cost"} & attributes.keys()


def test_answer_of_a_stream_that_litellm_joins_costs_what_it_counts(
    tracing: Traces, provider: LoopbackProvider
) -> None:
    """A merged sync stream has the cost of LiteLLM's own count, which is 0 before 1.110."""
    response = SyncCaller(provider).complete("hello", stream=True, complete_response=True)
    attributes = tracing.span().attributes
    counted = attributes.get("mlflow.chat.tokenUsage", {}).get("total_tokens", 0)
    assert counted == response.usage.total_tokens
    assert bool(counted) == ("mlflow.llm.cost" in attributes) == ("response_cost" in attributes)


def test_cost_of_a_trace_is_the_sum_over_its_calls(tracing: Traces, caller: Caller) -> None:
    """A trace's cost counts a call inside another call, such as a fallback, once."""
    failing = {"fallbacks": [MODEL], "model": "openai/gpt-4o"}
    caller.complete("/flaky 1 fallback-" + caller.span_name, **failing)
    [trace] = tracing.all()
    outer, *attempts = sorted(trace.data.spans, key=lambda span: span.start_time_ns)
    assert len(attempts) == 2
    [answered] = [span for span in attempts if "mlflow.chat.tokenUsage" in span.attributes]
    assert not {"mlflow.chat.tokenUsage", "mlflow.llm.cost"} & outer.attributes.keys()
    assert trace.info.token_usage == answered.attributes["mlflow.chat.tokenUsage"]
    assert trace.info.cost == pytest.approx(parts(answered))


def test_cost_is_divided_by_list_price_and_sums_to_the_total() -> None:
    """The cost is split by list prices, and its parts sum to LiteLLM's total."""
    divided = {"input_cost": 2.0, "output_cost": 6.0, "total_cost": 8.0}
    assert cost_module.cost(8.0, (1.0, 3.0)) == divided
    assert cost_module.cost(None, (1.0, 3.0)) is None
    assert cost_module.cost("1", None) is None
