"""The calls of the demo: one of each kind, to a model or to LiteLLM's mock."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import uuid
from typing import Any

import litellm
import mlflow
import mlflow.litellm
from mlflow.entities import SpanType

from mlflow_litellm._cli import report
from mlflow_litellm._tracing.store.errors import ProblemError
from mlflow_litellm._tracing.trace_metadata import TRACE_SESSION, TRACE_USER

MOCKED = "gpt-4o-mini"
# Of another provider, and with a price in every version of LiteLLM.
FALLBACK = "mistral/mistral-medium"
EMBEDDING = "text-embedding-3-small"
QUESTION = "How many people live in Paris?"
INHABITANTS = {"Paris": 2_100_000}
USER = "ada"
TAG = ("example", "demo")
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


class DemoCalls:
    """
    Calls to a model or to LiteLLM's mock. Creating an object switches tracing on.

    Args:
        model: The model, or None for the mock.

    Raises:
        ProblemError: The model cannot be called.
    """

    def __init__(self, model: str | None) -> None:
        report.quiet()
        litellm.suppress_debug_info = True
        # Without this, a model that does not support tools raises an error.
        litellm.drop_params = True
        self.model = model or MOCKED
        self._mocked = model is None
        self._session = f"demo-{uuid.uuid4().hex[:8]}"
        if model is not None:
            _check(model)
        mlflow.litellm.autolog()

    def all(self) -> None:
        """Make each kind of call once, under one root span."""
        mlflow.trace(self._answer, name="demo", span_type=SpanType.AGENT)(QUESTION)

    def failing(self) -> None:
        """Make a call that the provider refuses. Its trace's user and tags are the call's own."""
        arguments = self._arguments("Say hello.", "litellm.RateLimitError")
        if not self._mocked:
            arguments["model"] = self._missing_model
        metadata = {"tags": [":".join(TAG)], "session_id": self._session}
        with contextlib.suppress(Exception):
            litellm.completion(**arguments, user=USER, metadata=metadata)

    def _answer(self, question: str) -> str:
        metadata = {TRACE_SESSION: self._session, TRACE_USER: USER}
        mlflow.update_current_trace(tags=dict([TAG]), metadata=metadata)
        if self._mocked:
            litellm.embedding(model=EMBEDDING, input=[question], mock_response=[0.1, 0.2, 0.3])
        prompt = "Say in a few words what a trace is."
        litellm.completion(**self._arguments(prompt, "A call, from start to end."))
        asyncio.run(self._call_async(prompt))
        stream = self._arguments(prompt, "A stream, put together.", stream=True)
        for _ in litellm.completion(**stream, stream_options={"include_usage": True}):
            pass
        answer = mlflow.trace(self._use_tool, name="tool loop", span_type=SpanType.AGENT)(question)
        self._fall_back()
        return answer

    async def _call_async(self, prompt: str) -> None:
        await litellm.acompletion(**self._arguments(prompt, "An async call, in its place."))

    def _use_tool(self, question: str) -> str:
        messages: list[Any] = [{"role": "user", "content": question}]
        mock = {"mock_tool_calls": [CALL]} if self._mocked else {}
        # For tools, some versions of LiteLLM import mcp, which they do not install.
        tools = {"tools": [TOOL]} if importlib.util.find_spec("mcp") else {}
        message = (
            litellm.completion(**self._arguments(messages, "", **mock, **tools)).choices[0].message
        )
        if results := [_result(call) for call in message.tool_calls or ()]:
            messages += [message.model_dump(exclude_none=True), *results]
            answer = self._arguments(messages, "2,100,000 people live there.", **tools)
            message = litellm.completion(**answer).choices[0].message
        return str(message.content)

    def _fall_back(self) -> None:
        """Call a Router whose first deployment fails, so that the second one answers."""
        failing, sound = {"model": self._missing_model}, {"model": self.model}
        if self._mocked:
            failing = {"model": MOCKED, "mock_response": "litellm.RateLimitError"}
            sound = {"model": FALLBACK, "mock_response": "The fallback answers."}
            failing["api_key"] = sound["api_key"] = "none"
        deployments = [
            {"model_name": "fast", "litellm_params": failing},
            {"model_name": "safe", "litellm_params": sound},
        ]
        router = litellm.Router(deployments, fallbacks=[{"fast": ["safe"]}], num_retries=0)
        router.completion("fast", [{"role": "user", "content": "Who answers?"}])

    @property
    def _missing_model(self) -> str:
        return f"{self.model}-that-does-not-exist"

    def _arguments(self, prompt: str | list[Any], response: str, **more: object) -> dict[str, Any]:
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
