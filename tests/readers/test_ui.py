"""
MLflow's UI shows each kind of call as documented, in a real browser.

Screenshots go to the tests' temporary folder; with ``UI_SCREENSHOTS=docs/images`` the screenshots
of the documentation go there.
"""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import openai
import pytest
from ui_calls import Calls
from ui_page import TracePage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page
    from processes import Provider, TrackingServer

# The first test starts a server, a provider and a browser.
pytestmark = pytest.mark.timeout(300)

FOLDER = os.environ.get("UI_SCREENSHOTS")
# The documentation's screenshots, by their kinds of calls.
SHOWN = {"conversation": "chat", "picture": "picture", "reasoning": "reasoning"}
# The start of YAML and JSON, which the UI shows as a fallback.
RAW = re.compile(r"^(- |[{[]|(role|content|parts|type|message): )")

QUESTION = ["User", "How is the weather in Paris?"]
CALL = ["get_weather", "location", "Paris"]
CALLS = [*CALL, "get_time", "zone", "CET"]
TOOL_LOOP = [
    *QUESTION, "Assistant", "Tool calls", *CALL, "get_weather", "Sunny, 21 degrees.", "User",
    "And tomorrow?",
]  # fmt: skip
THOUGHT = ["Assistant", "Reasoning", "Let me think.", "The answer is 42."]
REFUSED = ["Assistant", "I cannot help with that."]


def said(text: str) -> list[str]:
    """Return the provider's response to a text, as the UI shows it."""
    return ["Assistant", f"You said: {text}"]


# By kind: the lines shown for a call's messages, and for its response's.
CHATS: dict[str, tuple[list[str], list[str]]] = {
    "conversation": (["System", "Be brief.", *TOOL_LOOP], said("And tomorrow?")),
    "developer": (["System", "Be very brief.", *TOOL_LOOP], said("And tomorrow?")),
    "tool calls": (["User", "/tools 2"], ["Assistant", "Tool calls", *CALLS]),
    "custom tool calls": (
        ["User", "/shape custom-tools"],
        ["Assistant", "Tool calls", "run", "arguments", "print(1)", "run", "arguments", "1 + 1"],
    ),
    "reasoning": (["User", "/reason"], THOUGHT),
    "stream": (["User", "/reason | So be it."], [*THOUGHT[:3], "So be it."]),
    "refusal": (["User", "/refuse"], REFUSED),
    "picture": (["User", "What is it?"], said("What is it?")),
    "picture as a bare text": (["User", "What is it?"], said("What is it?")),
    "file": (["User", "What is it?"], said("What is it?")),
    "answered picture": (["User", "Paint."], ["Assistant", "Here you are."]),
    "responses": (["User", "Hello."], said("Hello.")),
    "responses tool calls": (
        ["User", "/tools 2"],
        # Each call is an item of its own.
        ["Assistant", "Tool calls", *CALL, "Assistant", "Tool calls", *CALLS[len(CALL) :]],
    ),
    "responses tool loop": (TOOL_LOOP, said("And tomorrow?")),
    "responses reasoning": (["User", "/reason"], THOUGHT),
    "responses refusal": (["User", "/refuse"], REFUSED),
    "responses picture": (["User", "See?"], said("See?")),
    "messages": (["User", "Hello."], said("Hello.")),
    "messages tool calls": (["User", "/tools 2"], ["Assistant", "Tool calls", *CALLS]),
    "messages tool loop": (TOOL_LOOP, said("And tomorrow?")),
    "messages reasoning": (["User", "/reason"], THOUGHT),
    "messages picture": (["User", "See?"], said("See?")),
    "gemini": (["User", "Hello."], said("Hello.")),
    "gemini tool calls": (["User", "/tools 2"], ["Assistant", "Tool calls", *CALLS]),
    # A result of Gemini's is an object, which the UI shows as JSON.
    "gemini tool loop": (TOOL_LOOP[: TOOL_LOOP.index("Sunny, 21 degrees.")], said("And tomorrow?")),
    "gemini reasoning": (["User", "/reason"], THOUGHT),
    "gemini picture": (["User", "See?"], said("See?")),
    "router": (["User", "Hello."], said("Hello.")),
}
WITH_TOOLS = {
    "conversation",
    "tool calls",
    "responses tool calls",
    "messages tool loop",
    "gemini tool loop",
}
# The heading below the messages, by kind.
BESIDE = {"responses": "instructions", "messages": "system"}
# For kinds without messages: a text in the inputs, and a text in the outputs.
OTHERS = {
    "text": ("Once upon a time", "You said: Once upon a time"),
    "interaction": ("Hello.", "You said: Hello."),
    "embedding": ("two", "dimension: 1536"),
    "rerank": ("which?", "relevance_score: 0.9"),
    "moderation": ("a plan to attack", "violence: true"),
    "image": ("a cat", "mlflow-attachment://"),
    "transcription": ("talk.wav", "Hello from the recording."),
    "speech": ("Hello there.", "audio/mpeg"),
    "search": ("tracing", "What tracing is."),
    "vector store": ("Paris", "Paris is warm."),
    "ocr": ("https://example.com/a.pdf", "# Title"),
}
FAILED = {
    "error": (["User", "/error 400 broken"], "BadRequestError", []),
    "broken stream": (["User", "/event-error 2"], "scripted failure", ["Assistant", "w0 w1"]),
}


@pytest.fixture(scope="session")
def opened(vendor: Provider, tracking: TrackingServer) -> Iterator[Callable[[str], list[str]]]:
    """Provide a function that makes a call of a kind, and returns the parts of its trace's URL."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking.uri)
    experiment = mlflow.set_experiment("litellm").experiment_id
    calls = Calls(vendor)
    made = {**calls.of_chat(), **calls.of_others()}
    yield lambda kind: [tracking.uri, experiment, _traced(made[kind], fails=kind in FAILED)]
    mlflow.set_tracking_uri(before)


def _traced(call: Callable[[], Any], *, fails: bool) -> str:
    mlflow.litellm.autolog()
    with pytest.raises(openai.OpenAIError) if fails else nullcontext():
        call()
    mlflow.litellm.autolog(disable=True)
    mlflow.flush_trace_async_logging()
    return str(mlflow.get_last_active_trace_id())


@pytest.fixture
def show(
    opened: Callable[[str], list[str]], page: Page, tmp_path: Path
) -> Iterator[Callable[[str], TracePage]]:
    """Open the trace of a call; save a screenshot at the end."""
    traces = {}

    def show(kind: str) -> TracePage:
        traces[kind] = TracePage(page, *opened(kind))
        return traces[kind]

    yield show
    for kind, trace in traces.items():
        trace.save(tmp_path / f"{kind}.png")
        if FOLDER and kind in SHOWN:
            trace.save(Path(FOLDER, f"{SHOWN[kind]}.png"))


@pytest.mark.parametrize("kind", CHATS)
def test_chat_is_shown_as_one(kind: str, show: Callable[[str], TracePage]) -> None:
    """A chat shows roles, texts, tools with arguments, reasoning and pictures, and nothing raw."""
    asked, answered = CHATS[kind]
    trace = show(kind)
    trace.body.get_by_text(answered[-1]).first.wait_for()
    trace.unfold()
    inputs, outputs = trace.inputs()[: len(asked)], trace.outputs()[: len(answered)]
    assert (inputs, outputs) == (asked, answered)
    assert [line for line in [*inputs, *outputs] if RAW.match(line)] == []
    below = [line for line in trace.outputs()[len(answered) :] if line in {"id", "model"}]
    assert below == sorted(below, reverse=True)
    if kind in WITH_TOOLS:
        assert "Tools" in trace.body.inner_text().splitlines()[0]
    if kind in BESIDE:
        assert f"{BESIDE[kind]}\nBe brief." in "\n".join(trace.inputs())
    if "picture" in kind:
        assert trace.has_pictures()
    if kind == "file":
        trace.body.locator("iframe").wait_for()


@pytest.mark.parametrize("kind", OTHERS)
def test_other_call_is_shown(kind: str, show: Callable[[str], TracePage]) -> None:
    """Another call shows its input and its output."""
    asked, answered = OTHERS[kind]
    trace = show(kind)
    assert asked in "\n".join(trace.inputs())
    assert answered in "\n".join(trace.outputs())


@pytest.mark.parametrize("kind", FAILED)
def test_failure_is_shown(kind: str, show: Callable[[str], TracePage]) -> None:
    """A failure shows the exception first, then the input, and the output before it."""
    asked, error, answered = FAILED[kind]
    trace = show(kind)
    trace.drawer.get_by_text("exception.type").wait_for()
    assert error in trace.drawer.inner_text()
    trace.open("Inputs / Outputs")
    assert trace.inputs()[:2] == asked
    assert trace.outputs()[:2] == answered


def test_tokens_cost_and_latency_are_shown(show: Callable[[str], TracePage]) -> None:
    """Tokens, cost and latency are shown for the trace and for its span."""
    trace = show("conversation")
    told = " ".join(trace.head)
    info = mlflow.get_trace(str(mlflow.get_last_active_trace_id())).info
    total = info.token_usage["total_tokens"]
    assert told.count(f"{total} tokens") == 2
    assert f"${info.cost['total_cost']:.6f}" in told
    assert re.search(r"litellm-completion [\d.]+m?s", told)
    assert "gpt-4o-mini-2024-07-18" in told
