"""Every parameter of a call is recorded as it was at the call, for any value."""

from __future__ import annotations

import copy
import dataclasses
import json
import threading
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import openai
import pydantic
import pytest
from attachments import size
from callers import MODEL, user
from litellm.integrations.custom_logger import CustomLogger
from openai.types.chat import ChatCompletionMessage, ChatCompletionMessageFunctionToolCall
from openai.types.chat.chat_completion_message_function_tool_call import Function
from traces import answer_text

from mlflow_litellm._payloads.kinds.table import CHAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callers import Caller
    from traces import Traces


class Colour(pydantic.BaseModel):
    """The schema of a response."""

    name: str
    shade: int | None = None


TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "c", "schema": {"type": "object"}}}
THINKING = {"type": "enabled", "budget_tokens": 1024}
PARAMETERS: dict[str, Any] = {
    "additional_drop_params": ["seed"],
    "allowed_openai_params": ["reasoning_effort"],
    "assistant_continue_message": {"role": "assistant", "content": "Go on."},
    "audio": {"voice": "alloy", "format": "wav"},
    "bos_token": "<s>",
    "cache_control_injection_points": [{"location": "message", "role": "system"}],
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "content_policy_fallbacks": [{"gpt-4o-mini": ["gpt-4o"]}],
    "context_window_fallback_dict": {"gpt-4o-mini": "gpt-4o"},
    "context_window_fallbacks": [{"gpt-4o-mini": ["gpt-4o"]}],
    "drop_params": True,
    "enable_json_schema_validation": False,
    "ensure_alternating_roles": True,
    "eos_token": "</s>",
    "fallbacks": ["gpt-4o"],
    "final_prompt_value": "End.",
    "frequency_penalty": 0.5,
    "function_call": "auto",
    "functions": [{"name": "f", "parameters": {"type": "object", "properties": {}}}],
    "guardrails": ["pii"],
    "include_server_side_tool_invocations": True,
    "initial_prompt_value": "Begin.",
    "litellm_system_prompt": "Be brief.",
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 100,
    "max_fallbacks": 2,
    "max_tokens": 50,
    "merge_reasoning_content_in_choices": True,
    "min_p": 0.1,
    "min_tokens": 1,
    "modalities": ["text"],
    "model_list": ["gpt-4o-mini"],
    "n": 1,
    "num_retries": 1,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "It is warm."},
    "presence_penalty": 0.25,
    "prompt_cache_key": "paris",
    "prompt_cache_retention": "24h",
    "prompt_id": "weather",
    "prompt_label": "production",
    "prompt_variables": {"city": "Paris"},
    "prompt_version": 3,
    "reasoning_effort": "low",
    "repetition_penalty": 1.5,
    "response_format": SCHEMA,
    "roles": {"user": {"pre_message": "U:", "post_message": "."}},
    "safety_identifier": "ada",
    "safety_settings": [{"category": "HARM", "threshold": "NONE"}],
    "seed": 7,
    "service_tier": "flex",
    "stop": ["END"],
    "store": False,
    "stream": False,
    "stream_options": {"include_usage": True},
    "supports_system_message": False,
    "temperature": 0.5,
    "thinking": THINKING,
    "tool_choice": "auto",
    "tools": [TOOL],
    "top_a": 0.5,
    "top_k": 40,
    "top_logprobs": 2,
    "top_p": 0.75,
    "typical_p": 0.5,
    "user": "ada",
    "user_continue_message": {"role": "user", "content": "Go on."},
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}


def traced(
    caller: Caller, tracing: Traces, mock_response: Any = "fine", **arguments: Any
) -> dict[str, Any]:
    """Make a call that succeeds, and return the inputs and parameters that its span has."""
    arguments.setdefault("messages", user("hello"))
    response = caller.complete("", mock_response=mock_response, **arguments)
    assert response.choices[0].message.content == "fine"
    assert answer_text(tracing.span()) == "fine"
    return tracing.span().inputs


# Recorded parameters.


def test_table_has_every_recorded_parameter() -> None:
    """The table has every recorded parameter of calls that make one request."""
    of_chains = {"max_rounds", "models", "rerank", "retrieval_config"}
    assert {"messages", "model", *PARAMETERS, *of_chains} == CHAT.recorded


def test_every_parameter_is_recorded_as_given(tracing: Traces, caller: Caller) -> None:
    """Every parameter is recorded as given, also if LiteLLM drops it for the provider."""
    apart = {"fallbacks", "model_list", "prompt_id", "stream"}
    given = {key: value for key, value in PARAMETERS.items() if key not in apart}
    inputs = traced(caller, tracing, **copy.deepcopy(given))
    assert inputs == {"model": MODEL, "messages": user("hello"), **given}


@pytest.mark.parametrize("name", ["fallbacks", "stream"])
def test_parameter_that_takes_another_way_is_recorded_as_given(
    name: str, tracing: Traces, caller: Caller
) -> None:
    """Parameters that LiteLLM handles in a special way are recorded as given."""
    caller.complete("hello", **{name: PARAMETERS[name]}, mock_response="fine")
    assert tracing.calls()[0].inputs[name] == PARAMETERS[name]


def test_models_to_fall_back_to_are_recorded_by_name(tracing: Traces, caller: Caller) -> None:
    """Fallback models are recorded by name, without the keys that they may be given with."""
    spare = caller.arguments("", model="openai/gpt-4o", api_key="sk-very-secret")
    del spare["messages"]
    caller.complete("hello", fallbacks=[spare, "gpt-4.1"])
    assert tracing.calls()[0].inputs["fallbacks"] == ["openai/gpt-4o", "gpt-4.1"]
    assert "very-secret" not in "".join(trace.to_json() for trace in tracing.all())


def test_class_of_an_answer_is_recorded_as_its_schema(tracing: Traces, caller: Caller) -> None:
    """The class of a response is recorded as the schema that LiteLLM sends."""
    caller.complete("hello", response_format=Colour)
    assert tracing.span().inputs["response_format"] == Colour.model_json_schema()
    sent = caller.provider.requests[-1].body["response_format"]["json_schema"]
    assert sent["name"] == "Colour"


@pytest.mark.parametrize(
    "tools",
    [
        [TOOL, {"type": "custom", "custom": {"name": "run"}}],
        [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        [{"googleSearch": {}}],
        [{"name": "f", "input_schema": {"type": "object"}}],
    ],
)
def test_tools_of_any_type_are_recorded(tools: Any, tracing: Traces, caller: Caller) -> None:
    """OpenAI's, Anthropic's and Gemini's tools are recorded in inputs and for the UI's panel."""
    inputs = traced(caller, tracing, tools=copy.deepcopy(tools))
    assert inputs["tools"] == tracing.span().attributes["mlflow.chat.tools"] == tools


def test_objects_among_the_messages_are_recorded_as_dicts(tracing: Traces, caller: Caller) -> None:
    """Response objects of LiteLLM and OpenAI among the messages are recorded as dicts."""
    function = Function(name="f", arguments="{}")
    call = ChatCompletionMessageFunctionToolCall(id="c", type="function", function=function)
    messages = [
        litellm.Message(content="hello", role="user"),
        ChatCompletionMessage(role="assistant", tool_calls=[call]),
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
    traced(caller, tracing, messages=messages)
    told = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert tracing.span().inputs["messages"] == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "tool_calls": [told]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]


def test_none_is_absent_wherever_it_stands(tracing: Traces, caller: Caller) -> None:
    """An argument that is None is not recorded, and the call behaves as an untraced one."""
    # LiteLLM fails if this argument is None.
    nothing: dict[str, Any] = dict.fromkeys(PARAMETERS.keys() - {"web_search_options"})
    nothing.update(dict.fromkeys(["extra_headers", "metadata", "litellm_metadata", "timeout"]))
    assert traced(caller, tracing, **nothing) == {"model": MODEL, "messages": user("hello")}


@pytest.mark.parametrize("absent", [openai.NOT_GIVEN, openai.omit], ids=["NotGiven", "omit"])
def test_argument_that_is_left_out_is_absent(absent: Any, tracing: Traces, caller: Caller) -> None:
    """The clients' objects for an argument that is not given are absent from the inputs."""
    caller.complete("hello", temperature=absent, mock_response="hi")
    assert "temperature" not in tracing.one().data.spans[0].inputs


def test_prompt_is_recorded_once(tracing: Traces, caller: Caller) -> None:
    """The prompt is recorded once in the inputs, which MLflow's own preview of a trace repeats."""
    system = {"role": "system", "content": "a needle in a haystack"}
    traced(caller, tracing, messages=[system, *user("hello")], metadata={"a": 1}, user="ada")
    assert json.dumps(tracing.one().data.to_dict()["spans"]).count("needle") == 1


# Changes after the call was made.


class Meddler(CustomLogger):  # type: ignore[misc]
    """A callback that changes a call's arguments before LiteLLM sends them, as guardrails do."""

    def __init__(self, *given: Any) -> None:
        super().__init__()
        self._given = given

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        meddle(*self._given)


def meddle(messages: Any, tools: Any, metadata: Any) -> None:
    """Change a call's arguments."""
    messages[0]["content"] = "changed"
    messages.append({"role": "user", "content": "changed"})
    tools[0]["function"]["name"] = "changed"
    metadata["team"] = "changed"


@pytest.mark.parametrize("streams", [False, True])
def test_request_is_recorded_as_it_was_at_the_call(
    streams: bool, tracing: Traces, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is recorded as it was before LiteLLM's hooks or the caller change it."""
    given = user("hello"), [copy.deepcopy(TOOL)], {"team": "blue"}
    monkeypatch.setattr(litellm, "callbacks", [Meddler(*given)])
    monkeypatch.setattr(litellm, "input_callback", [])
    result = caller.complete(
        "", messages=given[0], tools=given[1], metadata=given[2], stream=streams
    )
    if streams:
        caller.read(result)
    assert given[0][0]["content"] == "changed"
    span = tracing.span()
    assert "changed" not in json.dumps([span.inputs, span.attributes["metadata"]])
    assert span.inputs == {
        "model": MODEL,
        "messages": user("hello"),
        "tools": [TOOL],
        "stream": streams,
    }


# Values that no store accepts.


class Secretive:
    """An object that raises at any access."""

    @property
    def __class__(self) -> Any:
        raise LookupError

    def __repr__(self) -> str:
        raise LookupError

    __str__ = __repr__


class Unreadable(dict):  # type: ignore[type-arg]
    """A dict that cannot be read."""

    def __iter__(self) -> Iterator[Any]:
        raise LookupError

    def items(self) -> Any:
        raise LookupError


class Large:
    """An object whose text has megabytes, as arrays and data frames have."""

    def __repr__(self) -> str:
        return "x" * 5_000_000

    __str__ = __repr__

    def __len__(self) -> int:
        return 5_000_000

    def __array__(self) -> Any:
        raise LookupError


@dataclasses.dataclass
class Pair:
    """An object with two fields of any type."""

    left: Any = None


def _cycle() -> Any:
    cycle: dict[str, Any] = {}
    cycle["self"] = [cycle]
    return cycle


def _deep() -> Any:
    value: Any = "core"
    for _ in range(5_000):
        value = [value]
    return value


ODD: dict[str, Callable[[], Any]] = {
    "bytes": lambda: b"\0" * 5_000_000,
    "class that raises": Secretive,
    "cycle": _cycle,
    "deep": _deep,
    "dict that raises": Unreadable,
    "exception": lambda: ValueError("x" * 5_000_000),
    "generator": lambda: (number for number in range(3)),
    "integer of 10,000 digits": lambda: 10**10_000,
    "large object": Large,
    "lock": threading.Lock,
    "model that iterates": lambda: Iterating(items=(number for number in range(3))),
    "nan": lambda: float("nan"),
    "pair": lambda: Pair(Secretive()),
    "path of no UTF-8": lambda: PurePosixPath("a\udcff"),
    "set": lambda: {"a"},
    "surrogate": lambda: "\ud800",
    "surrogate as a key": lambda: {"\udfff": 1},
    "type": lambda: int,
}


class Iterating(pydantic.BaseModel):
    """A model with an iterator that can be read once."""

    items: Any


def outcome(call: Callable[[], Any]) -> Any:
    """Return the result of a call, or the type of its exception."""
    try:
        return call().choices[0].message.content
    except Exception as error:
        return type(error)


PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "message": lambda odd: {"messages": [*user("hello"), {"role": "assistant", "content": [odd]}]},
    "metadata": lambda odd: {"metadata": {"odd": odd}},
    "parameter": lambda odd: {"prediction": odd},
    "unknown": lambda odd: {"of_no_kind": odd},
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_odd_arguments_cost_neither_call_nor_trace(
    make: Callable[[], Any], traces: Traces, caller: Caller
) -> None:
    """Calls with odd arguments end as untraced calls do, and their spans are complete and small."""
    # LiteLLM's own logging never ends at a cycle in the messages.
    places = [place for name, place in PLACES.items() if (make, name) != (_cycle, "message")]

    def outcomes() -> list[Any]:
        given = ({"temperature": 0.5, **place(make())} for place in places)
        return [
            outcome(lambda g=each: caller.complete("hello", mock_response="fine", **g))
            for each in given
        ]

    untraced = outcomes()
    mlflow.litellm.autolog()
    assert outcomes() == untraced
    spans = traces.calls()
    assert len(spans) == len(places)
    for span in spans:
        assert size(span) < 20_000
        assert span.inputs["messages"][0] == user("hello")[0]
        assert span.inputs["temperature"] == 0.5


@pytest.mark.parametrize("name", ["prediction", "messages", "tools", "metadata"])
def test_iterator_is_left_to_litellm(name: str, traces: Traces, caller: Caller) -> None:
    """LiteLLM gets all items of an iterator, as in an untraced call."""

    def left() -> list[int]:
        numbers = iter(range(3))
        given: Any = numbers if name == "prediction" else {"numbers": numbers}
        if name in {"messages", "tools"}:
            given = [{**user("hello")[0], "content": numbers}] if name == "messages" else numbers
        outcome(lambda: caller.complete("hello", mock_response="fine", **{name: given}))
        return list(numbers)

    untraced = left()
    mlflow.litellm.autolog()
    assert left() == untraced
    assert len(traces.all()) == 1
