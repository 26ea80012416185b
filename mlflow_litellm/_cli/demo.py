"""The demo: makes a few calls, and prints their traces as read back from the store."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import mlflow.litellm
from mlflow.entities import Span, SpanType, Trace

from mlflow_litellm._cli import report, store
from mlflow_litellm._common.attributes import CHAT_USAGE
from mlflow_litellm._tracing.store.errors import ProblemError, one_line, store_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

MOCKED = "gpt-4o-mini"
INHABITANTS = {"Paris": 2_100_000}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "inhabitants",
        "description": "Return the number of people who live in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
        },
    },
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "inhabitants", "arguments": '{"city": "Paris"}'},
}


def run(model: str | None, tracking_uri: str | None, experiment: str) -> int:
    """
    Make the calls, print their traces, and return the exit status.

    Args:
        model: The model to call, or None for LiteLLM's mock: no key and no network.
        tracking_uri: The store of the traces, or None for MLflow's current tracking URI.
        experiment: The name of their experiment.

    Raises:
        ProblemError: The store does not respond, or the model cannot be called.
    """
    calls = _Calls(model)
    experiment_id = _open_store(tracking_uri, experiment)
    trace_ids = _make(calls)
    _print(experiment, experiment_id, [_read(trace_id) for trace_id in trace_ids])
    return 0


class _Calls:
    """
    The demo's calls to a model or to LiteLLM's mock.

    Args:
        model: The model, or None for the mock.
    """

    def __init__(self, model: str | None) -> None:
        report.quiet()
        litellm.suppress_debug_info = True
        # Without this, a model that does not support tools raises an error.
        litellm.drop_params = True
        self.model = model or MOCKED
        self._mocked = model is None
        if model is not None:
            _check(model)
        mlflow.litellm.autolog()

    def all(self) -> None:
        """Make each kind of call once, under one root span."""
        mlflow.trace(self._all, name="demo")()

    def _all(self) -> None:
        prompt = "Say in a few words what a trace is."
        litellm.completion(**self._arguments(prompt, "A call, from start to end."))
        asyncio.run(self._call_async(prompt))
        stream = self._arguments(prompt, "A stream, put together.", stream=True)
        for _ in litellm.completion(**stream, stream_options={"include_usage": True}):
            pass
        self._use_tool()

    async def _call_async(self, prompt: str) -> None:
        await litellm.acompletion(**self._arguments(prompt, "An async call, in its place."))

    def _use_tool(self) -> None:
        question = {"role": "user", "content": "How many people live in Paris?"}
        mock = {"mock_tool_calls": [CALL]} if self._mocked else {}
        # For tools, some versions of LiteLLM import mcp, which they do not install.
        tools = {"tools": [TOOL]} if importlib.util.find_spec("mcp") else {}
        arguments = self._arguments([question], "", **mock, **tools)
        message = litellm.completion(**arguments).choices[0].message
        if results := [_result(call) for call in message.tool_calls or ()]:
            messages = [question, message.model_dump(exclude_none=True), *results]
            response = "2,100,000 people live there."
            litellm.completion(**self._arguments(messages, response, **tools))

    def failing(self) -> None:
        """Make a call that the provider refuses."""
        arguments = self._arguments("Say hello.", "litellm.RateLimitError")
        if not self._mocked:
            arguments["model"] += "-that-does-not-exist"
        with contextlib.suppress(Exception):
            litellm.completion(**arguments)

    def _arguments(self, prompt: str | list[Any], response: str, **more: Any) -> dict[str, Any]:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        mock = {"mock_response": response} if self._mocked else {}
        return {"model": self.model, "messages": messages, **mock, **more}


def _result(call: Any) -> dict[str, Any]:
    """Call the tool, in its own span, and return the tool's message to the model."""
    tool = mlflow.trace(_inhabitants, name=TOOL["function"]["name"], span_type=SpanType.TOOL)
    result = tool(**json.loads(call.function.arguments))
    return {"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)}


def _inhabitants(city: str) -> int | None:
    return INHABITANTS.get(city)


def _check(model: str) -> None:
    try:
        litellm.get_llm_provider(model)
    except Exception as error:
        what = f"LiteLLM knows no provider for the model {model!r}"
        remedy = "put the provider before it, such as openai/NAME or anthropic/NAME"
        raise ProblemError(what, remedy) from error
    if missing := litellm.validate_environment(model)["missing_keys"]:
        what = f"the model {model!r} needs {', '.join(missing)} in the environment"
        raise ProblemError(what, "set that, or leave out --model for a demo without a key")


def _open_store(tracking_uri: str | None, experiment: str) -> str:
    """Set the store and the current experiment, and return the experiment's id."""
    if tracking_uri is not None:
        mlflow.set_tracking_uri(tracking_uri)
    store.make_local()
    return str(store.ask(lambda: mlflow.set_experiment(experiment)).experiment_id)


def _make(calls: _Calls) -> list[str | None]:
    """Return the ids of the traces."""
    with report.problem_on_error(f"a call of {calls.model} failed", "try another --model"):
        calls.all()
    trace_ids = [mlflow.get_last_active_trace_id()]
    calls.failing()
    trace_ids.append(mlflow.get_last_active_trace_id())
    mlflow.flush_trace_async_logging()
    return trace_ids


def _read(trace_id: str | None) -> Trace:
    trace = store.ask(lambda: mlflow.get_trace(trace_id or ""))
    if not isinstance(trace, Trace):
        what = f"the traces did not arrive in {store_uri()}"
        raise ProblemError(what, "run python -m mlflow_litellm doctor to find the cause")
    return trace


def _print(experiment: str, experiment_id: str, traces: list[Trace]) -> None:
    print(f"Stored in {store_uri()}, experiment {experiment!r}:\n")
    print(_row("", "time", "tokens", "cost", "status", "answer"))
    for trace in traces:
        for indent, span in _walk(trace.data.spans):
            print(_row_of(indent, span, trace))
        print()
    print(store.way_to_ui(experiment_id))


def _walk(spans: list[Span], parent: Span | None = None, indent: str = "") -> Iterator[Any]:
    """Yield the tree lines and the span, for each span below `parent`."""
    parent_id = parent and parent.span_id
    children = [span for span in spans if span.parent_id == parent_id]
    children.sort(key=lambda span: span.start_time_ns)
    for child in children:
        last = child is children[-1]
        yield indent + ("" if parent is None else "└─ " if last else "├─ "), child
        below = indent + ("" if parent is None else "   " if last else "│  ")
        yield from _walk(spans, child, below)


def _row_of(indent: str, span: Span, trace: Trace) -> str:
    # The root's row shows sums over the spans. The sums in MLflow's SQL store can lack spans:
    # batches of spans may arrive at the same moment as the trace itself.
    spans = trace.data.spans if span.parent_id is None else [span]
    usages = [usage for each in spans if (usage := each.get_attribute(CHAT_USAGE))]
    costs = [cost["total_cost"] for each in spans if (cost := each.llm_cost)]
    used = [sum(usage[key] for usage in usages) for key in ("input_tokens", "output_tokens")]
    return _row(
        indent + span.name,
        f"{((span.end_time_ns or 0) - span.start_time_ns) / 1e6:,.0f} ms",
        "{} > {}".format(*used) if usages else "",
        f"${sum(costs):.7f}" if costs else "",
        span.status.status_code.value,
        _answer(span),
    )


def _row(*cells: str) -> str:
    columns = "{:23} {:>8}  {:>9}  {:>10}  {:6}  ".format(*cells)
    return (columns + one_line(cells[-1], report.WIDTH - len(columns))).rstrip()


def _answer(span: Span) -> str:
    """Return a span's response or exception, without the second name in LiteLLM's exceptions."""
    if description := span.status.description:
        kind, _, message = description.partition(": ")
        return message if kind in message else description
    try:
        message = span.outputs["choices"][0]["message"]
    except (KeyError, IndexError, TypeError):
        return "" if span.outputs is None else str(span.outputs)
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    called = ", ".join(f"{call['name']}({call['arguments']})" for call in calls)
    return called or message.get("content") or ""
