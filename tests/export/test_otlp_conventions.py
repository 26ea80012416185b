"""A collector gets all attributes of OpenTelemetry's GenAI conventions, for each kind of call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from children import succeed
from collectors import HttpCollector, attributes, over_http, to_jsonable
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

if TYPE_CHECKING:
    from provider import LoopbackProvider

PAGE = (Path(__file__).parents[2] / "docs" / "otlp.md").read_text()
WORD = "confidential"
# The arguments of each kind of call. The word is in each place for a user's content.
BEGIN = """
import asyncio, contextlib, litellm, mlflow, os
from litellm import google_genai

mlflow.litellm.autolog()
base, word = os.environ["PROVIDER"], "confidential"
known = {"api_base": f"{base}/v1", "api_key": "sk-very-secret"}
chat = {"model": "openai/gpt-4o-mini", **known, "metadata": {"session_id": "chat-7"}}
anthropic = {"model": "anthropic/claude-sonnet-4-5-20250929", "api_base": base, "api_key": "x"}
gemini = {"model": "gemini/gemini-2.5-flash", "api_base": f"{base}/v1beta", "api_key": "x"}
function = {"name": "get_weather", "description": word, "parameters": {"type": "object"}}
parameters = {
    "temperature": 0, "top_p": 0.5, "seed": 7, "frequency_penalty": 0.25, "presence_penalty": 0.5,
    "max_completion_tokens": 50, "n": 1, "stop": "END", "response_format": {"type": "json_object"},
}

def say(text):
    told = [{"type": "text", "text": word}]
    return [{"role": "system", "content": told}, {"role": "user", "content": text}]
"""
# Calls by the columns of the page's table.
KINDS = {
    "chat": "litellm.completion(messages=say(word), **parameters, **chat)",
    "stream": """for _ in litellm.completion(
        messages=say(f"/reason | {word}"), stream=True, stream_options={"include_usage": True},
        **parameters, **chat,
    ): pass""",
    "tools": """litellm.completion(
        messages=say("/tools 2"), tools=[{"type": "function", "function": function}], **chat
    )""",
    "error": """with contextlib.suppress(litellm.RateLimitError):
        litellm.completion(messages=say(f"/error 429 | {word}"), max_retries=0, **chat)""",
    "responses": """litellm.responses(
        model="openai/gpt-4o-mini", input="/tools 1", instructions=word, temperature=1,
        top_p=0.5, max_output_tokens=30, tools=[{"type": "function", **function}], **known,
    )""",
    "messages": """asyncio.run(litellm.anthropic_messages(
        messages=[{"role": "user", "content": "/cached"}], system=word, max_tokens=50,
        temperature=0.5, top_p=0.5, top_k=4, stop_sequences=["END"],
        tools=[{"name": "get_weather", "input_schema": {"type": "object"}}], **anthropic,
    ))""",
    "google": """google_genai.generate_content(
        contents=[{"role": "user", "parts": [{"text": "/tools 1"}]}],
        systemInstruction={"parts": [{"text": word}]},
        config={
            "temperature": 0.5, "topP": 0.5, "topK": 3, "maxOutputTokens": 30, "seed": 7,
            "candidateCount": 1, "stopSequences": ["END"],
        },
        tools=[{"functionDeclarations": [function]}], **gemini,
    )""",
    "text": """litellm.text_completion(
        model="openai/gpt-4o-mini", prompt=word, max_tokens=9, temperature=0.5, n=1,
        stop=["END"], **known,
    )""",
    "embedding": """litellm.embedding(
        model="openai/text-embedding-3-small", input=[word], encoding_format="float", **known
    )""",
    "rerank": """litellm.rerank(
        model="cohere/rerank-v3.5", query=word, documents=[word], api_base=base, api_key="x"
    )""",
}
Told = dict[str, tuple[Any, dict[str, Any]]]


def export(base: str, folder: Path, collector: HttpCollector, **environment: str) -> Told:
    """Make a call of each kind, and return the span and its attributes by kind."""
    succeed(
        BEGIN + "\n".join(KINDS.values()),
        folder,
        PROVIDER=base,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector.endpoint,
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
        MLFLOW_ENABLE_OTEL_GENAI_SEMCONV="true",
        MLFLOW_AUTOLOGGING_TESTING="true",
        **environment,
    )
    spans = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    return {kind: (span, attributes(span)) for kind, span in zip(KINDS, spans, strict=True)}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, provider: LoopbackProvider) -> Told:
    """Return the spans and attributes that a collector gets, by kind of call."""
    with over_http() as collector:
        return export(provider.anthropic_base, tmp_path_factory.mktemp("genai"), collector)


def table() -> dict[str, set[str]]:
    """Return the attributes that the page documents, by the kind of call."""
    _, _, section = PAGE.partition("## GenAI conventions")
    promised: dict[str, set[str]] = {}
    kinds: list[str] = []
    for line in re.findall(r"^\| (?:attribute|`[a-z_.]+`) \|.*\|$", section, re.MULTILINE):
        name, *cells = (cell.strip(" `") for cell in line.split("|")[1:-1])
        if name == "attribute":
            kinds = cells
            promised.update({kind: set() for kind in kinds})
            continue
        for kind, cell in zip(kinds, cells, strict=True):
            if cell:
                promised[kind].add(name)
    return promised


@pytest.mark.parametrize("kind", KINDS)
def test_page_tells_what_comes(kind: str, told: Told) -> None:
    """The page lists each recorded attribute of the conventions, and no other."""
    names = {name for name in told[kind][1] if name.startswith(("gen_ai.", "server.", "error."))}
    assert names == table()[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_the_conventions(kind: str, told: Told) -> None:
    """The names are in OpenTelemetry's package of semantic conventions."""
    known = {name for name in vars(gen_ai_attributes).values() if isinstance(name, str)}
    assert {name for name in told[kind][1] if name.startswith("gen_ai.")} <= known
    assert not [name for name in told[kind][1] if name.startswith("mlflow.")]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("chat", "chat gpt-4o-mini"),
        ("error", "chat gpt-4o-mini"),
        ("responses", "chat gpt-4o-mini"),
        ("messages", "chat claude-sonnet-4-5-20250929"),
        ("google", "generate_content gemini-2.5-flash"),
        ("text", "text_completion gpt-4o-mini"),
        ("embedding", "embeddings text-embedding-3-small"),
        ("rerank", "rerank rerank-v3.5"),
    ],
)
def test_span_is_named_by_operation_and_model(kind: str, name: str, told: Told) -> None:
    """The span is named by operation and requested model, without provider, and has kind client."""
    span, told_of_it = told[kind]
    assert span.name == name
    assert span.kind == span.SPAN_KIND_CLIENT
    operation, model = name.split(" ")
    assert told_of_it["gen_ai.operation.name"] == operation
    assert told_of_it["gen_ai.request.model"] == model


def test_chat_is_told_in_full(told: Told) -> None:
    """A chat has all attributes, with values of the conventions' types for any arguments."""
    chat = told["chat"][1]
    assert chat["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
    assert chat["gen_ai.response.id"] == "chatcmpl-1"
    assert chat["gen_ai.response.finish_reasons"] == ["stop"]
    assert chat["gen_ai.conversation.id"] == "chat-7"
    assert chat["gen_ai.output.type"] == "json"
    request = {
        "temperature": 0.0, "top_p": 0.5, "seed": 7, "frequency_penalty": 0.25,
        "presence_penalty": 0.5, "max_tokens": 50, "choice.count": 1, "stop_sequences": ["END"],
    }  # fmt: skip
    assert {name: chat[f"gen_ai.request.{name}"] for name in request} == request
    assert isinstance(chat["gen_ai.request.temperature"], float)
    assert to_jsonable(chat, "gen_ai.system_instructions") == [{"type": "text", "content": WORD}]
    asked = [{"role": "user", "parts": [{"type": "text", "content": WORD}]}]
    assert to_jsonable(chat, "gen_ai.input.messages") == asked


def test_stream_is_told_as_one(told: Told) -> None:
    """A stream is recorded as one, with its tokens and its time to the first chunk in seconds."""
    stream = told["stream"][1]
    assert stream["gen_ai.request.stream"] is True
    assert 0 < stream["gen_ai.response.time_to_first_chunk"] < 60
    assert stream["gen_ai.usage.output_tokens"] > 0


def test_failure_tells_its_kind_and_no_answer(told: Told) -> None:
    """A failed call has its error type, the status of an error, and no response."""
    span, error = told["error"]
    assert error["error.type"] == "RateLimitError"
    assert span.status.code == span.status.STATUS_CODE_ERROR


@pytest.mark.parametrize("kind", ["tools", "responses", "messages", "google"])
def test_tools_are_told_in_one_shape(kind: str, told: Told) -> None:
    """Tools have one shape for all APIs."""
    [tool] = to_jsonable(told[kind][1], "gen_ai.tool.definitions")
    assert (tool["type"], tool["name"]) == ("function", "get_weather")
    assert tool["parameters"] == {"type": "object"}


@pytest.mark.parametrize("kind", ["tools", "responses", "google"])
def test_tool_calls_are_told(kind: str, told: Told) -> None:
    """Tool calls are recorded, with their arguments as data."""
    [message, *_] = to_jsonable(told[kind][1], "gen_ai.output.messages")
    assert message["parts"][0]["type"] == "tool_call"
    assert message["parts"][0]["arguments"] == {"location": "Paris"}


def test_cached_tokens_are_among_the_inputs(told: Told) -> None:
    """Cached tokens are included in the input tokens, as in the conventions."""
    usage = {k.removeprefix("gen_ai.usage."): v for k, v in told["messages"][1].items()}
    assert usage["cache_read.input_tokens"] == 80
    assert usage["cache_creation.input_tokens"] == 4
    assert usage["input_tokens"] == 104


def test_providers_are_named_as_the_conventions_do(told: Told) -> None:
    """Providers have the conventions' names, and LiteLLM's name is kept beside them."""
    names = {kind: said["gen_ai.provider.name"] for kind, (_, said) in told.items()}
    assert names["google"] == "gcp.gemini"
    assert {names["chat"], names["messages"], names["rerank"]} == {"openai", "anthropic", "cohere"}
    assert told["google"][1]["custom_llm_provider"] == '"gemini"'


def test_without_content_none_is_told(tmp_path: Path, provider: LoopbackProvider) -> None:
    """If content is off, the model, numeric parameters and tokens are exported, but no texts."""
    with over_http() as collector:
        told = export(
            provider.anthropic_base, tmp_path, collector, MLFLOW_LITELLM_LOG_CONTENT="false"
        )
    for kind, (span, said) in told.items():
        assert WORD not in str(span), kind
        assert not {"messages", "instructions", "definitions"} & {
            part for name in said for part in re.split(r"[._]", name)
        }
        assert said["gen_ai.request.model"]
    chat = told["chat"][1]
    assert chat["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
    assert chat["gen_ai.request.temperature"] == 0
    assert chat["gen_ai.usage.output_tokens"] > 0
