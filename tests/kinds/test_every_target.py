"""Checks of every target: no content if content is off, no secret, the same signature."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from attribute_types import not_as_in_table
from callers import ANTHROPIC, MODEL, AsyncCaller, SyncCaller, user
from mlflow.entities import SpanStatusCode
from services import PNG, SECRET

from mlflow_litellm._common.patching import holder_of
from mlflow_litellm._instrumentation.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provider import LoopbackProvider
    from traces import Traces

    from mlflow_litellm._instrumentation.target import Target

WORD = "confidential"
# Texts of the provider's own responses.
ANSWERED = ("Hello from the recording", "Paris is warm", "is_video", "cat.png")
GEMINI = "gemini/gemini-2.5-flash"
SIGNED = f"https://example.com/{WORD}?X-Amz-Signature={SECRET}"
OPENING = {"api_key": f"sk-{SECRET}", "token": SECRET, "headers": {"any": SECRET}}
NOTED = {"note": WORD, "password": SECRET, "tags": ["team:red"], "trace_name": WORD}

_SAID = {"model": MODEL, "messages": user(WORD)}
_CONTENTS = {
    "model": GEMINI,
    "contents": [{"role": "user", "parts": [{"text": WORD}]}],
    "config": {"system_instruction": WORD, "http_options": {"headers": {"any": SECRET}}},
}
_MESSAGE = {
    "model": ANTHROPIC,
    "max_tokens": 100,
    "messages": user(WORD),
    "system": WORD,
    "mcp_servers": [{"type": "url", "name": WORD, "url": SIGNED, "authorization_token": SECRET}],
}
_INPUT = {
    "model": MODEL,
    "input": WORD,
    "instructions": WORD,
    "prompt": {"id": "p", "variables": {"api_key": SECRET, "name": WORD}},
}
_VIDEO = {"video_id": WORD, "prompt": WORD, "custom_llm_provider": "openai"}
_QUESTION = {"type": "noul", "instructions": WORD}
_PICTURED = {"image": PNG, "prompt": WORD, "model": "openai/gpt-image-1"}
_STORE = {"vector_store_id": WORD, "custom_llm_provider": "openai"}
# By the sync name: the prefix of the provider's paths, and the arguments in addition to address and
# key. The arguments contain the word and secrets.
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "completion": ("/v1", {**_SAID, "prompt_variables": {"a": WORD, "api_key": SECRET}}),
    "completion_with_retries": ("/v1", _SAID),
    "completion_with_fallbacks": ("/v1", {**_SAID, "fallbacks": [{"model": MODEL, **OPENING}]}),
    "async_completion_with_fallbacks": ("/v1", {**_SAID, "fallbacks": [MODEL]}),
    "batch_completion": ("/v1", {"model": MODEL, "messages": [user(WORD), user(WORD)]}),
    "batch_completion_models": ("/v1", {"models": [MODEL], "messages": user(WORD)}),
    "batch_completion_models_all_responses": ("/v1", {"models": [MODEL], "messages": user(WORD)}),
    "run_tool_loop": ("/v1", {**_SAID, "tools": [], "execute_tool": print}),
    "query": ("/v1", {**_SAID, "retrieval_config": {**_STORE, **OPENING}}),
    "responses": ("/v1", _INPUT),
    "responses_with_retries": ("/v1", _INPUT),
    "compact_responses": ("/v1", {"model": MODEL, "input": WORD, "instructions": WORD}),
    "anthropic_messages": ("", _MESSAGE),
    "anthropic_messages_handler": ("/v1", {**_MESSAGE, "model": MODEL, "mcp_servers": None}),
    "anthropic.messages.create": ("/v1", {**_MESSAGE, "model": MODEL, "mcp_servers": None}),
    "anthropic.messages.acreate": ("", _MESSAGE),
    "generate_content": ("/v1beta", _CONTENTS),
    "generate_content_stream": ("/v1beta", _CONTENTS),
    "interactions.create": (
        "",
        {
            "model": GEMINI,
            "input": WORD,
            "system_instruction": WORD,
            "environment": {"network": [{"header": SECRET, "name": WORD}]},
        },
    ),
    "text_completion": ("/v1", {"model": MODEL, "prompt": WORD, "suffix": WORD}),
    "embedding": ("/v1", {"model": "openai/text-embedding-3-small", "input": [WORD]}),
    "rerank": ("", {"model": "cohere/rerank-v3.5", "query": WORD, "documents": [WORD, "b"]}),
    "moderation": ("/v1", {"model": "omni-moderation-latest", "input": WORD}),
    "search": ("", {"search_provider": "tavily", "query": WORD, "search_domain_filter": [WORD]}),
    "vector_stores.search": (
        "/v1",
        {**_STORE, "query": WORD, "filters": {"type": "eq", "key": WORD, "value": WORD}},
    ),
    "ocr": (
        "/v1",
        {
            "model": "mistral/mistral-ocr-latest",
            "document": {"type": "document_url", "document_url": SIGNED},
        },
    ),
    "transcription": ("/v1", {"model": "openai/whisper-1", "file": (WORD, PNG), "prompt": WORD}),
    "speech": ("/v1", {"model": "openai/tts-1", "input": WORD, "voice": "alloy"}),
    "image_generation": ("/v1", {"prompt": WORD, "model": "openai/gpt-image-1"}),
    "image_edit": ("/v1", _PICTURED),
    "image_variation": ("/v1", {"image": (WORD, PNG), "model": "openai/dall-e-2"}),
    "video_generation": ("/v1", {"model": "openai/sora-2", "prompt": WORD, "seconds": "4"}),
    "video_remix": ("/v1", _VIDEO),
    "video_edit": ("/v1", _VIDEO),
    "video_extension": ("/v1", {**_VIDEO, "seconds": "4"}),
    "systemone": (
        "/v1",
        {"model": "perplexity/d", "state": WORD, "questions": {"ok": _QUESTION}},
    ),
    "decisions": (
        "/v1",
        {
            "model": "perplexity/d",
            "input": WORD,
            "questions": [{"name": "ok", "type": "predicate", "instructions": WORD}],
        },
    ),
    "extraction": (
        "/v1",
        {"model": "cloudflare/d", "state": WORD, "fields": {WORD: {"type": "text"}}},
    ),
}
# Arguments of Router's methods that differ from those of the functions of the same name.
ROUTED: dict[str, dict[str, Any]] = {
    "Router.abatch_completion": {"models": ["any"], "messages": user(WORD)},
    "Router.abatch_completion_fastest_response": {"messages": user(WORD)},
    "Router.abatch_completion_one_model_multiple_requests": {"messages": [user(WORD), user(WORD)]},
    "Router.schedule_acompletion": {"messages": user(WORD), "priority": 0},
}
# Arguments that contain the word.
SAYING = {"contents", "document", "image", "input", "messages", "prompt", "query", "state"}
# Attributes with texts that contain no content of requests and responses.
TOLD = {
    "api_base", "custom_llm_provider", "deployment", "finish_reasons", "litellm_call_id",
    "mlflow.chat.tokenUsage", "mlflow.llm.cost", "mlflow.llm.model", "mlflow.llm.provider",
    "mlflow.message.format", "mlflow.spanInputs", "mlflow.spanType", "mlflow.traceRequestId",
    "model", "model_group", "model_groups", "model_id", "routing_strategy", "session.id",
    "stream_end", "user.id",
}  # fmt: skip


def holder(target: Target) -> Any:
    """Return the object that has a target as an attribute."""
    return holder_of(litellm, target.name)[0]


def last(target: Target) -> str:
    """Return the last part of a target's name."""
    return target.name.rpartition(".")[2]


# Older versions of LiteLLM have fewer.
PRESENT = [
    target for target in TARGETS if holder_of(litellm, target.name)[1] in vars(holder(target))
]
every_door = pytest.mark.parametrize("target", PRESENT, ids=lambda target: target.name)


@pytest.fixture(autouse=True)
def _loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the event loop and the account id that some functions need besides the arguments."""
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "mine")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def usual(target: Target) -> tuple[str, dict[str, Any]]:
    """Return the prefix of a target's provider paths, and the target's arguments."""
    name = re.sub(r"^(Router|main|responses\.dispatch|google_genai)\.", "", target.name)
    kind = re.sub(r"^(schedule_)?a(batch_completion_.*)?(?=[a-z]|$)", "", name) or "completion"
    kind = re.sub(r"\.a(?=create|search)", ".", kind)
    return ASKED[next(key for key in (name, kind) if key in ASKED)]


# The last target of each name in the table of arguments: the async one.
ONE_OF_A_KIND = list({str(usual(target)): target for target in PRESENT}.values())


def saying(text: str, value: Any) -> Any:
    """Return arguments with the text instead of the word."""
    if isinstance(value, dict):
        return {key: saying(text, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(saying(text, item) for item in value)
    return value.replace(WORD, text) if isinstance(value, str) else value


def ask(target: Target, provider: LoopbackProvider, text: str = WORD, **more: Any) -> Any:
    """Call a target with secrets in many arguments, and read its result to the end."""
    path, asked = usual(target)
    asked = {**asked, **ROUTED.get(target.name, {})}
    asked = {key: saying(text, item) if key in SAYING else item for key, item in asked.items()}
    known = {"api_base": f"{provider.anthropic_base}{path}", "max_retries": 0}
    known |= {"api_key": f"sk-{SECRET}", "extra_headers": {"X-Token": f"Bearer {SECRET}"}}
    noted = {"metadata": NOTED, "some_new_token": SECRET, **more}
    if "extraction" in target.name:
        # This target refuses unknown arguments.
        noted.pop("some_new_token")
    function = getattr(holder(target), last(target))
    if target.name.startswith("Router."):
        # For one kind, LiteLLM sends the group's name instead of the deployment's model.
        group = asked["model"] if "text" in target.name else "any"
        named = {"model_name": group, "litellm_params": {"model": asked["model"], **known}}
        function = getattr(litellm.Router([named], num_retries=0), last(target))
        known = {} if "models" in asked else {"model": group}
        asked.pop("model")
    caller = AsyncCaller if inspect.iscoroutinefunction(function) else SyncCaller
    asked = {**known, **noted, **asked}
    result = (
        function(**asked)
        if caller is SyncCaller
        else AsyncCaller(provider).run(lambda: function(**asked))
    )
    is_stream = hasattr(type(result), "__anext__") or hasattr(type(result), "__next__")
    return caller(provider).read(result) if is_stream else result


def ask_as_it_can(target: Target, provider: LoopbackProvider) -> Any:
    """Call a target; skip the test if an older version of LiteLLM raises untraced as well."""
    try:
        return ask(target, provider)
    except Exception as error:
        mlflow.litellm.autolog(disable=True)
        with pytest.raises(type(error)):
            ask(target, provider)
        pytest.skip(f"LiteLLM raises {type(error).__name__} itself")


def meet(target: Target, provider: LoopbackProvider, **more: Any) -> None:
    """Call a target twice: once with success, streamed if possible, and once with an error."""
    stream = {"stream": True} if target.kind.accumulator else {}
    for text, read in ((WORD, stream), (f"/error 401 {WORD} $REQUEST", {})):
        with suppress(Exception):
            ask(target, provider, text, **more, **read)


def texts(traces: Traces) -> str:
    """Return all data of the traces as text."""
    return json.dumps([trace.to_dict() for trace in traces.all()], default=str)


@every_door
def test_call_is_one_trace(target: Target, tracing: Traces, provider: LoopbackProvider) -> None:
    """The trace has the target's span and its children, and each has ended."""
    assert ask_as_it_can(target, provider) is not None
    trace = tracing.one()
    [root] = [span for span in trace.data.spans if span.parent_id is None]
    assert (root.name, root.span_type) == (target.span_name, target.span_type)
    assert {span.status.status_code for span in trace.data.spans} == {SpanStatusCode.OK}
    assert WORD in trace.to_json()
    assert SECRET not in trace.to_json()


@every_door
def test_no_secret_is_recorded(target: Target, tracing: Traces, provider: LoopbackProvider) -> None:
    """Keys, headers, signatures and cookies are absent, even if an error quotes them."""
    meet(target, provider)
    assert len(tracing.all()) == 2
    assert SECRET not in texts(tracing)


@every_door
@pytest.mark.parametrize("way", ["argument", "litellm"])
def test_what_was_said_is_nowhere(
    way: str, target: Target, traces: Traces, provider: LoopbackProvider
) -> None:
    """Content is absent from inputs, outputs, attributes, events, tags and previews."""
    mlflow.litellm.autolog(log_content=way == "litellm")
    switch = {"metadata": {**NOTED, "turn_off_message_logging": True}}
    meet(target, provider, **(switch if way == "litellm" else {}))
    told = texts(traces)
    assert [said for said in (WORD, SECRET, *ANSWERED) if said in told] == []
    spans = [span for trace in traces.all() for span in trace.data.spans]
    assert spans
    for span in spans:
        assert span.outputs is None
        assert all(isinstance(v, (int, float)) for k, v in span.inputs.items() if k != "model")
        named = {k for k, v in span.attributes.items() if not isinstance(v, (int, float))}
        assert named - TOLD == set()


@pytest.mark.parametrize("target", ONE_OF_A_KIND, ids=lambda target: target.name)
def test_attributes_are_in_the_table(
    target: Target, tracing: Traces, provider: LoopbackProvider
) -> None:
    """Each recorded attribute is in the package's table, and has its type."""
    meet(target, provider)
    spans = [span for trace in tracing.all() for span in trace.data.spans]
    assert len(spans) >= 2
    assert not_as_in_table(spans) == set()


def _face(function: Any) -> list[Any]:
    kinds = (inspect.iscoroutinefunction, inspect.isroutine, callable, inspect.signature)
    names = ("__name__", "__qualname__", "__module__", "__doc__")
    return [ask(function) for ask in kinds] + [getattr(function, name) for name in names]


@every_door
def test_door_has_the_face_of_the_function(target: Target, traces: Traces) -> None:
    """Inspection sees no difference, and the original is restored when tracing is off."""
    original = vars(holder(target))[last(target)]
    face = _face(getattr(holder(target), last(target)))
    mlflow.litellm.autolog()
    assert vars(holder(target))[last(target)] is not original
    assert _face(getattr(holder(target), last(target))) == face
    mlflow.litellm.autolog(disable=True)
    assert vars(holder(target))[last(target)] is original
