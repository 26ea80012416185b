"""Each request to the proxy is one trace: the request, the Router's call, the attempts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import anthropic
import httpx
import openai
import pytest
from configurations import EXPERIMENT, configuration
from custom_auth import JUDGED_KEY, MASTER_KEY, VIRTUAL_KEY
from gateways import Gateway, Spans, is_whole, root, spans, tree
from mlflow.entities import SpanStatusCode
from processes import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow.entities import Span, Trace
    from processes import Provider, TrackingServer

KEY = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
MASTER = {"Authorization": f"Bearer {MASTER_KEY}"}
USAGE = "mlflow.chat.tokenUsage"
SAID = "You said: hello there"
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
CALL = {"name": "get_weather", "arguments": '{"location": "Paris"}'}


class Route(NamedTuple):
    """
    A route of the proxy, with LiteLLM's and the provider's view of it.

    Attributes:
        path: The path of the request.
        body: The body of the request.
        function: The LiteLLM function that it calls; also LiteLLM's name of the call.
        span_type: The type of the attempt's span.
        tokens: The numbers of input and output tokens.
    """

    path: str
    body: dict[str, Any]
    function: str
    span_type: str
    tokens: tuple[int, int]


class Exchange(NamedTuple):
    """A request's route, the client's response, and the trace."""

    route: Route
    answer: httpx.Response
    trace: Trace

    @property
    def attempt(self) -> Span:
        """The span of the only attempt."""
        [span] = spans(self.trace, f"litellm-{self.route.function}")
        return span


def user(text: str = "hello there") -> list[dict[str, str]]:
    """Return the messages of one user turn."""
    return [{"role": "user", "content": text}]


CHAT = Route(
    "/chat/completions",
    {"model": "chat", "messages": user()},
    "acompletion",
    "LLM",
    (2, 4),
)
TEXT = Route(
    "/v1/completions",
    {"model": "text", "prompt": "/say | once upon"},
    "atext_completion",
    "LLM",
    (4, 2),
)
EMBEDDING = Route(
    "/v1/embeddings",
    {"model": "vectors", "input": ["one", "two"]},
    "aembedding",
    "EMBEDDING",
    (2, 0),
)
RESPONSES = Route(
    "/v1/responses",
    {"model": "chat", "input": "hello there"},
    "aresponses",
    "LLM",
    (2, 4),
)
MESSAGES = Route(
    "/v1/messages",
    {"model": "claude", "messages": user(), "max_tokens": 50},
    "anthropic_messages",
    "LLM",
    (2, 4),
)
BRIDGED = MESSAGES._replace(body={**MESSAGES.body, "model": "chat"})
CLAUDE = CHAT._replace(body={**CHAT.body, "model": "claude"})
ROUTES = {
    "chat": CHAT,
    "chat, versioned": CHAT._replace(path="/v1/chat/completions"),
    "text": TEXT,
    "embedding": EMBEDDING,
    "responses": RESPONSES,
    "messages": MESSAGES,
    "messages, bridged": BRIDGED,
}


def streamed(route: Route, **more: Any) -> Route:
    """Return a route with a streaming request."""
    return route._replace(body={**route.body, "stream": True, **more})


STREAMS = {
    "chat": streamed(CHAT),
    "chat of Anthropic's": streamed(CLAUDE),
    "text": streamed(TEXT, **STREAMED),
    "responses": streamed(RESPONSES),
    "messages": streamed(MESSAGES),
    "messages, bridged": streamed(BRIDGED),
}


def exchange(route: Route, gateway: Gateway, tracking: TrackingServer, **headers: str) -> Exchange:
    """Send a request to the proxy, and return the response and the complete trace."""
    tag = f"test-{uuid4().hex}"
    body = {**route.body, "litellm_metadata": {"tags": [tag]}}
    answer = httpx.post(
        f"{gateway.url}{route.path}", json=body, headers={**KEY, **headers}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    recorded = Spans(tracking.uri, EXPERIMENT)
    # The server counts a trace's tokens after its spans have arrived.
    [trace] = recorded.when(lambda trace: tag in trace.info.tags and trace.info.token_usage)
    return Exchange(route, answer, trace)


@pytest.fixture(scope="module", params=ROUTES.values(), ids=ROUTES)
def asked(request: pytest.FixtureRequest, gateway: Gateway, tracking: TrackingServer) -> Exchange:
    """Send one request for each kind of complete response."""
    return exchange(request.param, gateway, tracking)


@pytest.fixture(scope="module", params=STREAMS.values(), ids=STREAMS)
def read(request: pytest.FixtureRequest, gateway: Gateway, tracking: TrackingServer) -> Exchange:
    """Send one request for each kind of stream, and read it to its end."""
    return exchange(request.param, gateway, tracking)


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return the events of a stream, as a client reads them."""
    lines = [line.removeprefix("data:").strip() for line in answer.text.splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


def heard(answer: httpx.Response) -> str:
    """Return the text that a client assembles from a stream, whatever its format."""
    parts = []
    for event in events(answer):
        if event.get("type") == "response.output_text.delta":
            parts.append(event["delta"])
        elif event.get("type") == "content_block_delta":
            parts.append(event["delta"]["text"])
        choices = event.get("choices", ())
        parts += [c.get("text") or c.get("delta", {}).get("content") or "" for c in choices]
    return "".join(parts)


def said(outputs: dict[str, Any]) -> str:
    """Return the text of the response that a span records, whatever its format."""
    if "choices" in outputs:
        return "".join(c.get("text") or c["message"]["content"] for c in outputs["choices"])
    blocks = outputs.get("content") or [b for item in outputs["output"] for b in item["content"]]
    return "".join(block["text"] for block in blocks)


def described(answer: Any) -> Any:
    """Return a response's JSON with its vectors described."""
    for item in answer.get("data", ()):
        vector = item["embedding"]
        item["embedding"] = {"dimension": len(vector), "head": vector[:5]}
    return answer


def usage(tokens: tuple[int, int]) -> dict[str, int]:
    """Return the expected token usage of a span or trace."""
    given, made = tokens
    return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}


def counted(told: dict[str, int]) -> dict[str, int]:
    """Return the counts of a usage without those of caches."""
    return {name: count for name, count in told.items() if "cache" not in name}


def test_request_is_one_trace(asked: Exchange) -> None:
    """The trace is the request, the Router's call, and one attempt, even if LiteLLM bridges."""
    path, _, function, _, _ = asked.route
    attempt = (f"litellm-{function}", [])
    assert tree(asked.trace) == (f"POST {path}", [(f"litellm-Router.{function}", [attempt])])


def test_spans_have_their_types(asked: Exchange) -> None:
    """The root is a CHAIN, with the types of model calls below it."""
    routed = spans(asked.trace, f"litellm-Router.{asked.route.function}")
    found = [span.span_type for span in (root(asked.trace), *routed, asked.attempt)]
    assert found == ["CHAIN", "CHAIN", asked.route.span_type]


def test_root_has_what_the_client_got(asked: Exchange) -> None:
    """The root has the same JSON as the client, except for vectors."""
    assert root(asked.trace).outputs == described(asked.answer.json())


def test_root_has_what_was_asked(asked: Exchange) -> None:
    """The root has the model name of the client's request, not the deployment's model."""
    assert root(asked.trace).inputs == asked.route.body


def test_tokens_are_counted_once(asked: Exchange) -> None:
    """Only the attempt counts tokens."""
    expected = usage(asked.route.tokens)
    assert counted(asked.trace.info.token_usage) == expected
    assert counted(asked.attempt.attributes[USAGE]) == expected
    assert [span for span in asked.trace.data.spans if USAGE in span.attributes] == [asked.attempt]


def test_root_tells_of_http(asked: Exchange) -> None:
    """The root has OpenTelemetry's HTTP attributes, and LiteLLM's own."""
    told = root(asked.trace).attributes
    assert told["http.request.method"] == "POST"
    assert told["http.route"] == asked.route.path
    assert told["http.response.status_code"] == 200
    assert told["call_type"] == asked.route.function
    assert told["litellm_call_id"] == asked.answer.headers["x-litellm-call-id"]


def test_request_that_is_answered_is_ok(asked: Exchange) -> None:
    """All spans of a successful request have the status OK."""
    found = {span.status.status_code for span in asked.trace.data.spans}
    assert found == {SpanStatusCode.OK}


def test_stream_is_one_trace(read: Exchange) -> None:
    """A stream is one trace, as a complete response is."""
    path, _, function, _, _ = read.route
    attempt = (f"litellm-{function}", [])
    assert tree(read.trace) == (f"POST {path}", [(f"litellm-Router.{function}", [attempt])])


def test_root_has_the_text_that_the_client_read(read: Exchange) -> None:
    """The root has the streamed text, merged in the form of a complete response."""
    text = heard(read.answer)
    assert text in {SAID, "once upon"}
    assert said(root(read.trace).outputs) == text


def test_stream_that_was_read_is_finished(read: Exchange) -> None:
    """A stream that was read is finished, and the root has the time of its first bytes."""
    told = root(read.trace).attributes
    assert told["stream_end"] == "finished"
    assert 0 < told["time_to_first_chunk_ms"]
    assert told["litellm_call_id"] == read.answer.headers["x-litellm-call-id"]


def test_tokens_of_a_stream_are_counted_once(read: Exchange) -> None:
    """Only the attempt counts the tokens of a stream."""
    expected = usage(read.route.tokens)
    assert counted(read.trace.info.token_usage) == expected
    assert counted(read.attempt.attributes[USAGE]) == expected
    assert [span for span in read.trace.data.spans if USAGE in span.attributes] == [read.attempt]


def test_streamed_response_is_what_the_last_event_has(
    gateway: Gateway, tracking: TrackingServer
) -> None:
    """The root has the whole response of the stream's last event."""
    made = exchange(streamed(RESPONSES), gateway, tracking)
    [completed] = [e for e in events(made.answer) if e["type"] == "response.completed"]
    assert root(made.trace).outputs == completed["response"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_root_has_the_tool_call(stream: bool, gateway: Gateway, tracking: TrackingServer) -> None:
    """The root has the arguments of the tool call in one piece."""
    body = {"model": "chat", "messages": user("/tools 1"), "stream": stream}
    made = exchange(CHAT._replace(body=body), gateway, tracking)
    [choice] = root(made.trace).outputs["choices"]
    [call] = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], call["id"], call["function"]) == ("tool_calls", "call_1", CALL)


def test_compressed_answer_is_read(gateway: Gateway, tracking: TrackingServer) -> None:
    """A compressed response is recorded as the client reads it: long responses are compressed."""
    body = {"model": "chat", "messages": user("/long 300")}
    made = exchange(CHAT._replace(body=body), gateway, tracking, **{"Accept-Encoding": "gzip"})
    if "content-encoding" not in made.answer.headers:
        pytest.skip("This version of the proxy compresses none of its answers to calls.")
    assert made.answer.headers["content-encoding"] == "gzip"
    assert root(made.trace).outputs == made.answer.json()


def by_openai(gateway: Gateway) -> openai.OpenAI:
    """Return an OpenAI client of the proxy."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=VIRTUAL_KEY, max_retries=0)


def by_anthropic(gateway: Gateway) -> anthropic.Anthropic:
    """Return an Anthropic client of the proxy."""
    return anthropic.Anthropic(base_url=gateway.url, api_key=VIRTUAL_KEY, max_retries=0)


CALLS: dict[str, Callable[[Gateway, dict[str, Any]], Any]] = {
    "OpenAI, chat": lambda gateway, extra: by_openai(gateway).chat.completions.create(
        model="chat", messages=user(), extra_body=extra
    ),
    "OpenAI, text": lambda gateway, extra: by_openai(gateway).completions.create(
        model="text", prompt="/say | once upon", extra_body=extra
    ),
    "OpenAI, responses": lambda gateway, extra: by_openai(gateway).responses.create(
        model="chat", input="hello there", extra_body=extra
    ),
    "Anthropic": lambda gateway, extra: by_anthropic(gateway).messages.create(
        model="claude", max_tokens=50, messages=user(), extra_body=extra
    ),
    "Anthropic, bridged": lambda gateway, extra: by_anthropic(gateway).messages.create(
        model="chat", max_tokens=50, messages=user(), extra_body=extra
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_root_has_what_an_sdk_gives(
    call: Callable[[Gateway, dict[str, Any]], Any], gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """The root has the fields of the SDK's object."""
    result = call(gateway, {"litellm_metadata": {"tags": [tag]}})
    assert root(recorded.tagged(tag)).outputs == result.model_dump(mode="json", exclude_unset=True)


def openai_stream(gateway: Gateway, extra: dict[str, Any]) -> str:
    """Read a chat as OpenAI's client does."""
    given = {"model": "chat", "messages": user(), "stream": True, "extra_body": extra}
    chunks = by_openai(gateway).chat.completions.create(**given)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def anthropic_stream(gateway: Gateway, extra: dict[str, Any]) -> str:
    """Read a message as Anthropic's client does."""
    given = {"model": "claude", "max_tokens": 50, "messages": user(), "extra_body": extra}
    with by_anthropic(gateway).messages.stream(**given) as stream:
        return "".join(stream.text_stream)


@pytest.mark.parametrize("call", [openai_stream, anthropic_stream], ids=["OpenAI", "Anthropic"])
def test_root_has_what_an_sdk_reads(
    call: Callable[[Gateway, dict[str, Any]], str], gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """The root has the text that each SDK reads to the stream's end."""
    assert call(gateway, {"litellm_metadata": {"tags": [tag]}}) == SAID
    span = root(recorded.tagged(tag))
    assert said(span.outputs) == SAID
    assert span.attributes["stream_end"] == "finished"


class Passed(NamedTuple):
    """
    A request that the proxy passes through unchanged.

    Attributes:
        path: The path of the request.
        body: The body of the request, without the messages.
        route: The proxy's name of the path.
        provider: The provider that receives it.
        model: The model that responds.
    """

    path: str
    body: dict[str, Any]
    route: str
    provider: str
    model: str


SONNET = "claude-3-5-sonnet-20241022"
FOR_ANTHROPIC = Passed(
    "/anthropic/v1/messages",
    {"model": SONNET, "max_tokens": 50},
    "/anthropic/{endpoint:path}",
    "anthropic",
    SONNET,
)
FOR_OPENAI = Passed(
    "/openai/chat/completions",
    {"model": "gpt-4o-mini"},
    "/openai/{endpoint:path}",
    "openai",
    "gpt-4o-mini-2024-07-18",
)
CONFIGURED = FOR_OPENAI._replace(path="/own/path", route="/own/path")
PASSED = {
    "Anthropic": FOR_ANTHROPIC,
    "Anthropic, streamed": FOR_ANTHROPIC._replace(body={**FOR_ANTHROPIC.body, "stream": True}),
    "OpenAI": FOR_OPENAI,
    "OpenAI, streamed": FOR_OPENAI._replace(body={**FOR_OPENAI.body, **STREAMED}),
    "configured": CONFIGURED,
    "configured, streamed": CONFIGURED._replace(body={**CONFIGURED.body, **STREAMED}),
}


class PassedExchange(NamedTuple):
    """A passed-through request, the only word of its response, the response, and its only span."""

    passed: Passed
    word: str
    answer: httpx.Response
    trace: Trace
    span: Span


@pytest.fixture(scope="module", params=PASSED.values(), ids=PASSED)
def through(
    request: pytest.FixtureRequest, gateway: Gateway, tracking: TrackingServer
) -> PassedExchange:
    """Send one request through each path; such a request takes no tags."""
    passed, word = request.param, f"word{uuid4().hex}"
    body = {**passed.body, "messages": user(f"/say | {word}")}
    answer = httpx.post(f"{gateway.url}{passed.path}", json=body, headers=KEY)
    assert answer.status_code == 200, answer.text

    def fits(trace: Trace) -> bool:
        return word in str(root(trace).inputs) and bool(trace.info.token_usage)

    [trace] = Spans(tracking.uri, EXPERIMENT).when(fits)
    [span] = trace.data.spans
    return PassedExchange(passed, word, answer, trace, span)


def test_passed_through_request_is_a_chat(through: PassedExchange) -> None:
    """A passed-through request is one CHAT span, as no calls are below it."""
    assert through.span.name == f"POST {through.passed.path}"
    assert through.span.span_type == "LLM"
    assert through.span.attributes["mlflow.message.format"] in {"anthropic", "openai"}
    assert through.span.status.status_code == SpanStatusCode.OK


def test_passed_through_answer_is_recorded(through: PassedExchange) -> None:
    """The provider's own response is recorded, merged if it was streamed."""
    if "stream" in through.passed.body:
        assert heard(through.answer) == through.word
        assert said(through.span.outputs) == through.word
    else:
        assert through.span.outputs == through.answer.json()


def test_passed_through_request_has_its_tokens(through: PassedExchange) -> None:
    """A passed-through request has the provider's token counts."""
    assert counted(through.trace.info.token_usage) == usage((3, 1))
    assert counted(through.span.attributes[USAGE]) == usage((3, 1))


def test_passed_through_request_has_model_and_provider(through: PassedExchange) -> None:
    """The path, or else the model, shows the provider of a passed-through request."""
    told = through.span.attributes
    assert told["mlflow.llm.model"] == through.passed.model
    assert told["mlflow.llm.provider"] == through.passed.provider


def test_passed_through_request_tells_of_http(through: PassedExchange) -> None:
    """A passed-through request has the same HTTP attributes as others."""
    told = through.span.attributes
    assert told["http.request.method"] == "POST"
    assert told["http.route"] == through.passed.route
    assert told["http.response.status_code"] == 200
    assert told["call_type"] == "pass_through_endpoint"
    assert told["litellm_call_id"] == through.answer.headers["x-litellm-call-id"]


def names_after(gateway: Gateway, recorded: Spans, tag: str) -> list[str]:
    """Send a request, wait for its trace, and return the names of all traces."""
    body = {"model": "chat", "messages": user(), "litellm_metadata": {"tags": [tag]}}
    httpx.post(f"{gateway.url}/chat/completions", json=body, headers=KEY)
    recorded.tagged(tag)
    return [root(trace).name for trace in recorded.all() if is_whole(trace)]


def test_request_for_no_model_leaves_no_trace(gateway: Gateway, recorded: Spans, tag: str) -> None:
    """Requests for keys, token counts and lists leave no trace."""
    with httpx.Client(base_url=gateway.url, headers=MASTER) as client:
        assert client.get("/v1/models").status_code == 200
        assert client.get("/health/readiness").status_code == 200
        words = {"model": "chat", "messages": user()}
        assert client.post("/utils/token_counter", json=words).status_code == 200
        # There is no database in which to store it.
        assert client.post("/key/generate", json={}).status_code == 500
    names = " ".join(names_after(gateway, recorded, tag))
    assert "GET " not in names
    assert "token_counter" not in names
    assert "/key/" not in names


def test_calls_of_a_health_check_are_tagged_as_such(gateway: Gateway, recorded: Spans) -> None:
    """Calls of a health check cost money, so they are traced, with the tag of LiteLLM's logs."""
    assert httpx.get(f"{gateway.url}/health", headers=MASTER, timeout=60).status_code == 200
    count = len(configuration()["model_list"])
    checks = recorded.when(bool, count, filter_string="tags.`litellm-internal-health-check` = ''")
    assert not [trace for trace in checks if root(trace).name.startswith(("GET ", "POST "))]


def test_call_before_the_requests_own_is_not_taken_for_it(
    gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """A guardrail's own call of a model before the request is not taken for the request's call."""
    body = {"model": "chat", "messages": user("hello"), "litellm_metadata": {"tags": [tag]}}
    headers = {"Authorization": f"Bearer {JUDGED_KEY}"}
    httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)
    trace = recorded.tagged(tag)
    assert [name for name, _ in tree(trace)[1]] == [
        "litellm-acompletion",
        "litellm-Router.acompletion",
    ]
    assert root(trace).inputs["messages"] == user("hello")


class Silenced(NamedTuple):
    """A stopped proxy that should have recorded no content."""

    log: str
    word: str
    count: int
    traces: list[Trace]


BESIDE = {
    "redact_user_api_key_info": True,
    "turn_off_message_logging": True,
    "success_callback": ["mlflow"],
    "failure_callback": ["mlflow"],
}


def ask_for(word: str, url: str) -> int:
    """Send several requests for a response with a word in it, and return their number."""
    told = user(f"/say | {word}")
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/v1/chat/completions", {"model": "chat", "messages": told}),
        ("/v1/chat/completions", {"model": "chat", "messages": told, "stream": True}),
        ("/v1/messages", {"model": "claude", "messages": told, "max_tokens": 50}),
        ("/v1/responses", {"model": "chat", "input": f"/say | {word}"}),
        ("/own/path", {"model": "gpt-4o-mini", "messages": told}),
        ("/v1/chat/completions", {"model": "chat", "messages": user(f"/error 400 {word}")}),
    ]
    for path, body in asked:
        assert word in httpx.post(f"{url}{path}", json=body, headers=KEY).text
    return len(asked)


@pytest.fixture(scope="module")
def silenced(
    tmp_path_factory: pytest.TempPathFactory,
    vendor: Provider,
    tracking: TrackingServer,
) -> Silenced:
    """Send requests to a proxy that records no content, and that has MLflow's own callback too."""
    word, name = f"word{uuid4().hex}", f"silenced-{uuid4().hex}"
    traced = {
        "MLFLOW_TRACKING_URI": tracking.uri,
        "MLFLOW_EXPERIMENT_NAME": name,
        # Longer than the test takes: all present traces were sent when the proxy stopped.
        "MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS": "600000",
    }
    started = Gateway(
        tmp_path_factory.mktemp("silenced"),
        configuration(**BESIDE),
        {**vendor.environment, **traced},
    )
    with running(started):
        count = ask_for(word, started.wait().url)
    return Silenced(started.log, word, count, Spans(tracking.uri, name).all())


def test_without_content_nothing_that_was_said_is_recorded(silenced: Silenced) -> None:
    """Without content, no request, response or quoted error text is recorded."""
    assert silenced.word not in str([trace.to_dict() for trace in silenced.traces])


def test_without_key_info_nobody_is_named(silenced: Silenced) -> None:
    """Neither key nor team nor user is in attributes and tags."""
    text = str([trace.to_dict() for trace in silenced.traces])
    assert [name for name in ("research-key", "team-1", "Research", "alice") if name in text] == []


def test_without_content_each_request_has_one_trace(silenced: Silenced) -> None:
    """Each request has one trace, also if another callback is configured to trace it."""
    assert len(silenced.traces) == silenced.count


def test_without_content_tokens_are_kept(silenced: Silenced) -> None:
    """Without content, each successful request still has its tokens."""
    found = [trace.info.token_usage for trace in silenced.traces if trace.info.state == "OK"]
    assert [counted(told) for told in found] == [usage((3, 1))] * (silenced.count - 1)


def test_without_content_failures_are_told_by_their_type(silenced: Silenced) -> None:
    """Without content, failures have their type and status."""
    [failed] = [trace for trace in silenced.traces if trace.info.state == "ERROR"]
    assert root(failed).status.description == "BadRequestError"
    assert root(failed).attributes["http.response.status_code"] == 400


def test_log_tells_of_mlflows_own_callback(silenced: Silenced) -> None:
    """The log mentions MLflow's own callback once."""
    assert silenced.log.count('names LiteLLM\'s own callback "mlflow" as well') == 1
