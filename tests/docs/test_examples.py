"""The examples of MLflow's page on tracing the LiteLLM SDK work as written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from children import succeed

if TYPE_CHECKING:
    from pathlib import Path

    from provider import LoopbackProvider

# The page's code, except for the tracking server's address, the key, and a model name that this
# LiteLLM only knows with its provider. LiteLLM's own variables send the calls to loopback.
BEFORE = """
import asyncio
"""

AFTER = """
mlflow.flush_trace_async_logging()
import json
experiment = mlflow.get_experiment_by_name("LiteLLM")
traces = mlflow.search_traces(
    locations=[experiment.experiment_id], order_by=["timestamp ASC"], return_type="list"
)
for trace in traces:
    [span] = trace.data.spans
    print(json.dumps([
        span.name,
        span.inputs["messages"][0]["content"],
        span.outputs["choices"][0]["message"]["content"],
        span.attributes["mlflow.llm.provider"],
        span.attributes["api_base"].startswith("http://127.0.0.1"),
        "mlflow.chat.tokenUsage" in span.attributes,
        span.attributes["cache_hit"],
        span.status.status_code.value,
    ]))
"""

SET_UP = """
import mlflow
import litellm
import os

# Enable auto-tracing for LiteLLM
mlflow.litellm.autolog()

# Set a tracking URI and an experiment
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("LiteLLM")
"""

EXAMPLES = {
    "getting started": SET_UP
    + """
response = litellm.completion(
    model="anthropic/claude-3-5-sonnet-20240620",
    messages=[{"role": "user", "content": "Hey! how's it going?"}],
)
""",
    "basic": SET_UP
    + """
# Call different providers via LiteLLM's unified interface
# Example with OpenAI
response = litellm.completion(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Hello from LiteLLM!"}],
)

# Example with Anthropic
response = litellm.completion(
    model="anthropic/claude-3-5-sonnet-20240620",
    messages=[{"role": "user", "content": "Hey! how's it going?"}],
)
""",
    "async": SET_UP
    + """
async def cell():
    response = await litellm.acompletion(
        model="anthropic/claude-3-5-sonnet-20240620",
        messages=[{"role": "user", "content": "Hey! how's it going?"}],
    )
asyncio.run(cell())
""",
    "streaming": SET_UP
    + """
response = litellm.completion(
    model="anthropic/claude-3-5-sonnet-20240620",
    messages=[{"role": "user", "content": "Hey! how's it going?"}],
    stream=True,
)
for chunk in response:
    print(chunk.choices[0].delta.content, end="|", file=__import__("sys").stderr)
""",
    "disable by name": SET_UP
    + """
mlflow.litellm.autolog(disable=True)
litellm.completion(model="gpt-4o-mini", messages=[{"role": "user", "content": "unseen"}])
""",
    "disable all": SET_UP
    + """
mlflow.autolog(disable=True)
litellm.completion(model="gpt-4o-mini", messages=[{"role": "user", "content": "unseen"}])
""",
}

HEY = "Hey! how's it going?"


def row(name: str, text: str, provider_name: str) -> str:
    """Return the line that a trace of this call prints."""
    told = [name, text, f"You said: {text}", provider_name, True, True, False, "OK"]
    return json.dumps(told)


EXPECTED = {
    "getting started": [row("litellm-completion", HEY, "anthropic")],
    "basic": [
        row("litellm-completion", "Hello from LiteLLM!", "openai"),
        row("litellm-completion", HEY, "anthropic"),
    ],
    "async": [row("litellm-acompletion", HEY, "anthropic")],
    "streaming": [row("litellm-completion", HEY, "anthropic")],
    "disable by name": [],
    "disable all": [],
}


@pytest.mark.parametrize("title", EXAMPLES)
def test_example_leaves_the_trace_that_the_page_promises(
    title: str, provider: LoopbackProvider, tmp_path: Path
) -> None:
    """Traces have the fields that the page names, and none is made after disabling."""
    out = succeed(
        BEFORE + EXAMPLES[title] + AFTER,
        tmp_path,
        OPENAI_API_BASE=provider.openai_base,
        ANTHROPIC_API_BASE=provider.anthropic_base,
        OPENAI_API_KEY="your-openai-key",
        ANTHROPIC_API_KEY="your-anthropic-key",
    )
    # LiteLLM itself prints a list of providers for the page's Anthropic model, traced or not.
    assert [line for line in out.splitlines() if line.startswith("[")] == EXPECTED[title]
