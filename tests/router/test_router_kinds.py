"""Router for the other kinds of call: a span for the route and one for each attempt."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import litellm
import mlflow
import pytest
from callers import ANTHROPIC, AsyncCaller, SyncCaller, user
from mlflow.entities import SpanStatusCode
from services import PNG
from traces import ending, exception_event, route_and_attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow.entities import Span
    from provider import LoopbackProvider
    from traces import Traces

    Routers = Callable[..., litellm.Router]

OK, ERROR = SpanStatusCode.OK, SpanStatusCode.ERROR
SECRET = "sk-very-secret"
# Older versions have fallbacks only for chat, and pass some kinds on without their address.
IS_RECENT = hasattr(litellm, "search")
FALLBACKS: dict[str, Any] = {"fallbacks": [{"lost": ["good"]}]}
OPENAI = "openai/gpt-4o-mini"
INSTRUCT = "text-completion-openai/gpt-3.5-turbo-instruct"
MODERATION = "openai/omni-moderation-latest"
GEMINI = "gemini/gemini-2.5-flash"


@dataclass(frozen=True)
class Kind:
    """
    One method of ``litellm.Router``; a name that begins with an "a" is async.

    Attributes:
        method: The method's name.
        model: The deployments' model.
        given: The arguments in addition to the model.
        attempt: The name and the type of an attempt's span.
        root: The prefix of the provider's paths.
        counted: Whether the provider counts tokens.
        group: The model group that responds.
        at: LiteLLM's name of the function, if it differs from the method's.
    """

    method: str
    model: str
    given: dict[str, Any]
    attempt: tuple[str, str]
    root: str = "/v1"
    counted: bool = True
    group: str = "good"
    at: str = ""

    @property
    def route(self) -> str:
        """Return the name of the route's span."""
        return f"litellm-Router.{self.at or self.method}"

    def __str__(self) -> str:
        return self.method


@dataclass
class Asked:
    """Routers of two groups, "good" and "lost"; requests to "lost" get a status of 404."""

    provider: LoopbackProvider
    made: list[litellm.Router] = field(default_factory=list)

    def router(self, kind: Kind, **settings: Any) -> litellm.Router:
        """Return a new router."""
        here = self.provider.anthropic_base
        bases = {kind.group: f"{here}{kind.root}", "lost": f"{here}/nowhere{kind.root}"}
        known = {"model": kind.model, "api_key": SECRET, "max_retries": 0}
        deployments = [
            {"model_name": group, "litellm_params": {**known, "api_base": base}}
            for group, base in bases.items()
        ]
        known = {"retry_after": 0, "num_retries": 0, **_tools(kind, here)}
        self.made.append(litellm.Router(deployments, **{**known, **settings}))
        return self.made[-1]

    def ask(self, router: litellm.Router, kind: Kind, group: str = "", **more: Any) -> Any:
        """Call a method of a router, and return its result."""
        asked = {"model": group or kind.group, **kind.given, **more}
        method = getattr(router, kind.method, None) or pytest.skip("LiteLLM has it not")
        if not kind.method.startswith("a"):
            return method(**asked)
        return AsyncCaller(self.provider).run(lambda: method(**asked))

    def read(self, stream: Any) -> list[Any]:
        """Read a stream to its end."""
        caller = AsyncCaller if hasattr(stream, "__anext__") else SyncCaller
        return caller(self.provider).read(stream)


def _tools(kind: Kind, base: str) -> dict[str, Any]:
    """Return the setting that names the search provider."""
    if not IS_RECENT:
        return {}
    tool = {"search_provider": "tavily", "api_key": SECRET, "api_base": base}
    return {"search_tools": [{"search_tool_name": kind.group, "litellm_params": tool}]}


@pytest.fixture
def asked(provider: LoopbackProvider) -> Iterator[Asked]:
    """Return an object that makes routers and calls them."""
    asked = Asked(provider)
    yield asked
    for router in asked.made:
        router.discard()


def _pair(name: str, *args: Any, **kwargs: Any) -> list[Kind]:
    return [_kind(method, *args, **kwargs) for method in (name, f"a{name}")]


def _kind(method: str, model: str, given: dict[str, Any], span_type: str, **kwargs: Any) -> Kind:
    return Kind(method, model, given, (f"litellm-{method}", span_type), **kwargs)


_EMBEDDED = {"input": ["one two", "three"]}
_HEARD = {"file": ("talk.wav", b"RIFF" + bytes(50))}
_SPOKEN = {"input": "Hello there.", "voice": "alloy"}
_RANKED = {"query": "which?", "documents": ["one", "two", "three"]}
_MESSAGE = {"messages": user("hello"), "max_tokens": 100}
_CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
_DOCUMENT = {"document": {"type": "document_url", "document_url": "https://example.com/a.pdf"}}

# Methods of the class.
METHODS = [
    # For this method, LiteLLM sends the group's name instead of the deployment's model.
    _kind("text_completion", INSTRUCT, {"prompt": "hello"}, "LLM", group=INSTRUCT),
    _kind("atext_completion", INSTRUCT, {"prompt": "hello"}, "LLM"),
    *_pair("embedding", "openai/text-embedding-3-small", _EMBEDDED, "EMBEDDING"),
    *_pair("image_generation", "openai/gpt-image-1", {"prompt": "a cat"}, "LLM"),
    _kind("atranscription", "openai/whisper-1", _HEARD, "LLM", counted=False),
    _kind("aspeech", "openai/tts-1", _SPOKEN, "LLM", counted=False),
    _kind("arerank", "cohere/rerank-v3.5", _RANKED, "RERANKER", root="", counted=False),
]
# Functions of LiteLLM that each router wraps when it is built.
RESPONSES, ARESPONSES = _pair("responses", OPENAI, {"input": "hello"}, "LLM")
MESSAGES = _kind("anthropic_messages", ANTHROPIC, _MESSAGE, "LLM", root="")
AMESSAGES = replace(MESSAGES, method="aanthropic_messages", at=MESSAGES.method)
CAPTURED = [
    RESPONSES,
    ARESPONSES,
    MESSAGES,
    AMESSAGES,
    *_pair("generate_content", GEMINI, _CONTENTS, "LLM", root="/v1beta"),
]
if IS_RECENT:
    CAPTURED += [
        _kind("amoderation", MODERATION, {"input": "attack"}, "GUARDRAIL", counted=False),
        _kind("aimage_edit", "openai/gpt-image-1", {"image": PNG, "prompt": "a cat"}, "LLM"),
        _kind("aocr", "mistral/mistral-ocr-latest", _DOCUMENT, "PARSER", counted=False),
        _kind("asearch", "openai/none", {"query": "tracing"}, "RETRIEVER", counted=False),
        _kind("avideo_generation", "openai/sora-2", {"prompt": "a cat"}, "LLM", counted=False),
    ]
if hasattr(litellm, "compact_responses"):
    CAPTURED += [_kind("acompact_responses", OPENAI, {"input": "hello"}, "LLM")]


def told(span: Span) -> str:
    """Return the outputs of a span without the names of attachments."""
    return re.sub(r"mlflow-attachment://[^\"]+", "", json.dumps(span.outputs))


def check_route(traces: Traces, kind: Kind) -> None:
    """Check the only trace: a route with one attempt, which has the tokens."""
    route, [attempt] = route_and_attempts(traces)
    assert (route.name, route.span_type) == (kind.route, "CHAIN")
    assert (attempt.name.replace("google_genai.", ""), attempt.span_type) == kind.attempt
    assert route.status.status_code == attempt.status.status_code == OK
    assert route.attributes["inner_calls"] == 1
    assert told(route) == told(attempt)
    assert "mlflow.chat.tokenUsage" not in route.attributes
    assert ("mlflow.chat.tokenUsage" in attempt.attributes) is kind.counted
    assert SECRET not in traces.one().to_json()


@pytest.mark.parametrize("kind", METHODS, ids=str)
def test_method_is_a_route_with_an_attempt(kind: Kind, tracing: Traces, asked: Asked) -> None:
    """The route has the requested group, and the attempt has the deployment's model."""
    asked.ask(asked.router(kind), kind)
    check_route(tracing, kind)
    route, [attempt] = route_and_attempts(tracing)
    assert route.attributes["model_group"] == kind.group
    # LiteLLM does not set it for each kind.
    assert attempt.attributes.get("model_group", kind.group) == kind.group
    assert route.attributes["routing_strategy"] == "simple-shuffle"
    assert route.inputs["model"] == kind.group
    assert attempt.inputs["model"] == kind.model


@pytest.mark.parametrize("before", [True, False], ids=["built before", "built after"])
@pytest.mark.parametrize("kind", CAPTURED, ids=str)
def test_captured_function_is_a_route_with_an_attempt(
    kind: Kind, before: bool, traces: Traces, asked: Asked
) -> None:
    """The router may be built before tracing is switched on, or after."""
    router = asked.router(kind) if before else None
    mlflow.litellm.autolog()
    asked.ask(router or asked.router(kind), kind)
    check_route(traces, kind)


STREAMED = [ARESPONSES, AMESSAGES]


def skip_without_redis(kind: Kind) -> None:
    """Skip a test of a stream if LiteLLM cannot make that stream."""
    if kind is AMESSAGES and find_spec("redis") is None:
        pytest.skip("needs redis, which LiteLLM imports where it streams Anthropic's own events")


@pytest.mark.parametrize("before", [True, False], ids=["built before", "built after"])
@pytest.mark.parametrize("kind", STREAMED, ids=str)
def test_stream_of_a_captured_function_is_a_route_with_an_attempt(
    kind: Kind, before: bool, traces: Traces, asked: Asked
) -> None:
    """Both spans end when the stream does."""
    skip_without_redis(kind)
    router = asked.router(kind) if before else None
    mlflow.litellm.autolog()
    assert asked.read(asked.ask(router or asked.router(kind), kind, stream=True))
    check_route(traces, kind)
    route, [attempt] = route_and_attempts(traces)
    assert ending(route) == ending(attempt) == ("finished", OK)


def error_of(asked: Asked, kind: Kind, **more: Any) -> str:
    """
    Return the type of the error that LiteLLM raises for the group "lost", untraced.

    Skips a test of a kind for which LiteLLM raises it in spite of a fallback.
    """

    def ask(**settings: Any) -> None:
        result = asked.ask(asked.router(kind, **settings), kind, "lost", **more)
        if more:
            asked.read(result)

    with pytest.raises(Exception, match=r"/nowhere|Model Group=lost") as raised:
        ask()
    try:
        ask(**FALLBACKS)
    except type(raised.value):
        pytest.skip("LiteLLM has no fallbacks here")
    return type(raised.value).__name__


def check_fallback(traces: Traces, kind: Kind, error: str) -> None:
    """Check the only trace: a route with a failed attempt and a successful one."""
    route, [failed, answered] = route_and_attempts(traces)
    assert route.name == kind.route
    assert [span.status.status_code for span in (route, failed, answered)] == [OK, ERROR, OK]
    assert exception_event(failed)["exception.type"] == error
    assert route.attributes["model_groups"] == ["lost", "good"]
    assert route.attributes["attempted_fallbacks"] == 1
    assert told(route) == told(answered)


# Sync functions that a router wraps, and moderations, have no fallbacks. For Gemini's paths, the
# provider responds under any prefix.
WITH_FALLBACKS = [
    kind
    for kind in (*METHODS, *CAPTURED)
    if IS_RECENT
    and kind.group == "good"
    and not (kind in CAPTURED and kind.method[0] != "a")
    and kind.method not in {"amoderation", "asearch"}
    and kind.model != GEMINI
]


@pytest.mark.parametrize("kind", WITH_FALLBACKS, ids=str)
def test_fallback_shows_both_attempts(kind: Kind, traces: Traces, asked: Asked) -> None:
    """The failed attempt has its error, and the successful one has the response."""
    error = error_of(asked, kind)
    mlflow.litellm.autolog()
    asked.ask(asked.router(kind, **FALLBACKS), kind, "lost")
    check_fallback(traces, kind, error)


@pytest.mark.skipif(not IS_RECENT, reason="LiteLLM has no fallbacks here")
@pytest.mark.parametrize("kind", STREAMED, ids=str)
def test_fallback_of_a_stream_shows_both_attempts(kind: Kind, traces: Traces, asked: Asked) -> None:
    """A fallback of a stream has the same spans as one of a whole response."""
    skip_without_redis(kind)
    error = error_of(asked, kind, stream=True)
    mlflow.litellm.autolog()
    router = asked.router(kind, **FALLBACKS)
    assert asked.read(asked.ask(router, kind, "lost", stream=True))
    check_fallback(traces, kind, error)
    assert ending(traces.calls()[0]) == ("finished", OK)
