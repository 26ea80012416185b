"""A request with its caller's ``traceparent`` is part of the caller's trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import mlflow
import pytest
from configurations import EXPERIMENT, configuration, deployment
from custom_auth import VIRTUAL_KEY
from gateways import ROUTED, Gateway, root, spans, tree
from processes import running
from scripts import succeed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateways import Spans
    from mlflow.entities import Span, Trace
    from processes import Provider, TrackingServer

# The first test waits for all processes, and for a client.
pytestmark = pytest.mark.timeout(300)

# Each function below is traced under its own name, with the text that it sends.
OPENAI_CLIENT = """
import asyncio, os
import httpx, mlflow, openai
from mlflow.tracing import get_tracing_context_headers_for_http_request

mlflow.openai.autolog()
url, key, mark = os.environ["GATEWAY"], os.environ["KEY"], os.environ["MARK"]
given = {"base_url": url, "api_key": key, "max_retries": 0}
sync, asynchronous = openai.OpenAI(**given), openai.AsyncOpenAI(**given)

def asked(text, stream=False):
    return {"model": "chat", "messages": [{"role": "user", "content": text}], "stream": stream}

@mlflow.trace
def whole(text):
    return sync.chat.completions.create(**asked(text)).choices[0].message.content

@mlflow.trace
def stream(text):
    return len(list(sync.chat.completions.create(**asked(text, stream=True))))

@mlflow.trace
def responses(text):
    return sync.responses.create(model="chat", input=text).id

@mlflow.trace
async def async_whole(text):
    answer = await asynchronous.chat.completions.create(**asked(text))
    return answer.choices[0].message.content

@mlflow.trace
async def async_stream(text):
    return len([chunk async for chunk in await asynchronous.chat.completions.create(
        **asked(text, stream=True), stream_options={"include_usage": True}
    )])

async def one(number):
    if number % 3:
        answer = await asynchronous.chat.completions.create(**asked(f"number {number}"))
        return answer.choices[0].message.content
    counted = {"stream_options": {"include_usage": True}}
    streamed = {**asked(f"number {number}", stream=True), **counted}
    made = await asynchronous.chat.completions.create(**streamed)
    chunks = [chunk async for chunk in made]
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

@mlflow.trace
async def crowd(text):
    return await asyncio.gather(*map(one, range(20)))

def post(text, **headers):
    return httpx.post(
        f"{url}/v1/chat/completions", json=asked(text), timeout=60,
        headers={"Authorization": f"Bearer {key}", **headers},
    ).status_code

@mlflow.trace
def by_httpx(text):
    return post(text, **get_tracing_context_headers_for_http_request())

@mlflow.trace
def refused(text):
    wrong = {"Authorization": "Bearer sk-nobodys"}
    return post(text, **get_tracing_context_headers_for_http_request(), **wrong)

async def main():
    await async_whole(f"for async_whole {mark}")
    await async_stream(f"for async_stream {mark}")
    await crowd(f"for crowd {mark}")

    await asynchronous.close()

asyncio.run(main())
for function in (whole, stream, responses, by_httpx, refused):
    function(f"for {function.__name__} {mark}")
sync.close()
mlflow.flush_trace_async_logging()
"""
LITELLM_CLIENT = """
import asyncio, os
import litellm, mlflow
from mlflow.tracing import get_tracing_context_headers_for_http_request

mlflow.litellm.autolog()
mark = os.environ["MARK"]
known = {"api_base": os.environ["GATEWAY"], "api_key": os.environ["KEY"]}
chat = {"model": "litellm_proxy/chat", **known}

def said(text):
    return {"messages": [{"role": "user", "content": text}]}

@mlflow.trace
def completion(text):
    litellm.completion(**chat, **said(text))

@mlflow.trace
def stream(text):
    list(litellm.completion(**chat, **said(text), stream=True))

@mlflow.trace
async def acompletion(text):
    await litellm.acompletion(**chat, **said(text))

@mlflow.trace
async def astream(text):
    async for _ in await litellm.acompletion(**chat, **said(text), stream=True):
        pass

@mlflow.trace
def embedding(text):
    litellm.embedding(model="litellm_proxy/vectors", input=[text], **known)

@mlflow.trace
def responses(text):
    litellm.responses(input=text, **chat)

@mlflow.trace
def text_completion(text):
    litellm.text_completion(model="litellm_proxy/text", prompt=text, **known)

@mlflow.trace
def headers(text):
    given = {"x-litellm-call-id": f"call-{mark}"}
    litellm.completion(**chat, **said(text), extra_headers=given)
    assert given == {"x-litellm-call-id": f"call-{mark}"}

@mlflow.trace
def own_traceparent(text):
    own = get_tracing_context_headers_for_http_request()
    litellm.completion(**chat, **said(text), extra_headers=own)

for function in (
    completion, stream, embedding, responses, text_completion, headers, own_traceparent
):
    function(f"for {function.__name__} {mark}")

async def main():
    await acompletion(f"for acompletion {mark}")
    await astream(f"for astream {mark}")

asyncio.run(main())
litellm.completion(**chat, **said(f"for bare {mark}"))
mlflow.flush_trace_async_logging()
"""
OPENTELEMETRY_CLIENT = """
import os
import httpx
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

exporter = OTLPSpanExporter(
    f"{os.environ['TRACKING']}/v1/traces",
    headers={"x-mlflow-experiment-id": os.environ["EXPERIMENT_ID"]},
)
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter))
with provider.get_tracer("agent").start_as_current_span("agent " + os.environ["MARK"]):
    headers = {"Authorization": f"Bearer {os.environ['KEY']}"}
    propagate.inject(headers)
    body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
    url = os.environ["GATEWAY"] + "/v1/chat/completions"
    assert httpx.post(url, json=body, headers=headers, timeout=60).status_code == 200
provider.shutdown()
"""
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def run_client(
    code: str, tmp_path_factory: pytest.TempPathFactory, uri: str, gateway: Gateway
) -> str:
    """Run a client of the proxy, and return the suffix of its texts."""
    mark = uuid4().hex
    environment = {
        "GATEWAY": gateway.url,
        "KEY": VIRTUAL_KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MARK": mark,
        "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
        "MLFLOW_TRACKING_URI": uri,
    }
    succeed(code, tmp_path_factory.mktemp("client"), **environment)
    return mark


@pytest.fixture(scope="module")
def openai_mark(
    tmp_path_factory: pytest.TempPathFactory, tracking: TrackingServer, gateway: Gateway
) -> str:
    """Run the client that uses OpenAI's SDK; return the suffix of its texts."""
    return run_client(OPENAI_CLIENT, tmp_path_factory, tracking.uri, gateway)


@pytest.fixture(scope="module")
def litellm_mark(
    tmp_path_factory: pytest.TempPathFactory, tracking: TrackingServer, gateway: Gateway
) -> str:
    """Run the client that uses LiteLLM; return the suffix of its texts."""
    return run_client(LITELLM_CLIENT, tmp_path_factory, tracking.uri, gateway)


@pytest.fixture(scope="module")
def front(
    tmp_path_factory: pytest.TempPathFactory,
    vendor: Provider,
    tracking: TrackingServer,
    gateway: Gateway,
) -> Iterator[Gateway]:
    """Run a proxy that calls the other one, and does not join its callers' traces."""
    config = configuration()
    config["model_list"] = [deployment("chat", "litellm_proxy/chat", gateway.url)]
    config["model_list"][0]["litellm_params"]["api_key"] = VIRTUAL_KEY
    environment = {
        **vendor.environment,
        "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
        "MLFLOW_TRACKING_URI": tracking.uri,
        "OTEL_IGNORE_CONTEXT_PROPAGATION": "true",
    }
    with running(Gateway(tmp_path_factory.mktemp("front"), config, environment)) as started:
        yield started.wait()


def gateways(trace: Trace) -> list[Span]:
    """Return the spans of requests to a proxy."""
    return [span for span in trace.data.spans if span.name.startswith("POST /")]


def merged(recorded: Spans, text: str, requests: int = 1) -> Trace:
    """Wait until the only trace that mentions a text has all its requests, and return it."""

    def mentions(trace: Trace) -> bool:
        return text in trace.to_json()

    recorded.when(lambda trace: mentions(trace) and len(gateways(trace)) >= requests)
    [trace] = [each for each in recorded.all() if mentions(each)]
    return trace


def total_of(span: Span) -> Any:
    """Return a span's total number of tokens."""
    return span.attributes["mlflow.chat.tokenUsage"]["total_tokens"]


def ask(gateway: Gateway, tag: str, traceparent: str, **fields: Any) -> None:
    """Send a request as part of a trace that does not exist."""
    body = {
        "model": "chat",
        "messages": [{"role": "user", "content": "hello"}],
        "litellm_metadata": {"tags": [tag]},
        **fields,
    }
    headers = {"Authorization": f"Bearer {VIRTUAL_KEY}", "traceparent": traceparent}
    url = f"{gateway.url}/v1/chat/completions"
    assert httpx.post(url, json=body, headers=headers, timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("whole", "Completions"),
        ("stream", "Completions"),
        ("async_whole", "AsyncCompletions"),
        ("async_stream", "AsyncCompletions"),
    ],
)
def test_openai_sdk_and_gateway_are_one_tree(
    function: str, call: str, openai_mark: str, recorded: Spans
) -> None:
    """The spans: user's function, SDK's call, request, Router's call and attempt."""
    trace = merged(recorded, f"for {function} {openai_mark}")
    assert tree(trace) == (function, [(call, [("POST /chat/completions", ROUTED)])])


def test_openai_responses_and_gateway_are_one_tree(openai_mark: str, recorded: Spans) -> None:
    """A call of the responses API and the proxy are one tree, as with chats."""
    trace = merged(recorded, f"for responses {openai_mark}")
    route = ("litellm-Router.aresponses", [("litellm-aresponses", [])])
    assert tree(trace) == ("responses", [("Responses", [("POST /responses", [route])])])


@pytest.mark.parametrize("function", ["whole", "stream", "async_whole", "async_stream"])
def test_tokens_of_the_whole_trace_are_counted_once(
    function: str, openai_mark: str, recorded: Spans
) -> None:
    """Tokens are counted once, whether or not the SDK received them too."""
    trace = merged(recorded, f"for {function} {openai_mark}")
    [attempt] = spans(trace, "litellm-acompletion")
    assert trace.info.token_usage["total_tokens"] == total_of(attempt) > 0


def test_mlflows_own_headers_join(openai_mark: str, recorded: Spans) -> None:
    """MLflow's distributed tracing headers join the trace, sent by any HTTP client."""
    trace = merged(recorded, f"for by_httpx {openai_mark}")
    assert tree(trace) == ("by_httpx", [("POST /v1/chat/completions", ROUTED)])
    [request] = gateways(trace)
    assert request.attributes["http.response.status_code"] == 200


def test_request_that_is_refused_joins(openai_mark: str, recorded: Spans) -> None:
    """A refused request is an error below the caller's span, which itself did not fail."""
    trace = merged(recorded, f"for refused {openai_mark}")
    assert tree(trace) == ("refused", [("POST /v1/chat/completions", [])])
    [request] = gateways(trace)
    assert (request.status.status_code, root(trace).status.status_code) == ("ERROR", "OK")


def test_callers_trace_is_the_callers(openai_mark: str, recorded: Spans) -> None:
    """The request changes neither tags nor user nor inputs of the caller's trace."""
    trace = merged(recorded, f"for by_httpx {openai_mark}")
    assert "user_api_key_alias" not in trace.info.tags
    assert "mlflow.trace.user" not in trace.info.trace_metadata
    assert root(trace).inputs == {"text": f"for by_httpx {openai_mark}"}
    assert trace.info.state == "OK"


def test_twenty_requests_at_once_are_one_tree(openai_mark: str, recorded: Spans) -> None:
    """Each of twenty requests is complete, below its own call of the client."""
    trace = merged(recorded, f"for crowd {openai_mark}", 20)
    one = ("AsyncCompletions", [("POST /chat/completions", ROUTED)])
    assert tree(trace) == ("crowd", [one] * 20)


def test_twenty_requests_at_once_keep_apart(openai_mark: str, recorded: Spans) -> None:
    """Each of twenty requests has its own input and output."""
    trace = merged(recorded, f"for crowd {openai_mark}", 20)
    by_id = {span.span_id: span for span in trace.data.spans}
    for request in gateways(trace):
        assert request.inputs["messages"] == by_id[request.parent_id].inputs["messages"]
        said = request.inputs["messages"][0]["content"]
        assert request.outputs["choices"][0]["message"]["content"] == f"You said: {said}"
    asked = {str(request.inputs["messages"]) for request in gateways(trace)}
    assert len(asked) == 20


@pytest.mark.parametrize("function", ["completion", "stream", "acompletion", "astream"])
def test_our_client_and_gateway_are_one_tree(
    function: str, litellm_mark: str, recorded: Spans
) -> None:
    """The spans: user's function, LiteLLM's call, request, Router's call and attempt."""
    trace = merged(recorded, f"for {function} {litellm_mark}")
    call = "litellm-acompletion" if function.startswith("a") else "litellm-completion"
    assert tree(trace) == (function, [(call, [("POST /chat/completions", ROUTED)])])


@pytest.mark.parametrize(
    ("kind", "path", "routed"),
    [
        ("embedding", "/embeddings", "aembedding"),
        ("responses", "/responses", "aresponses"),
        # LiteLLM requests a chat from a proxy instead.
        ("text_completion", "/chat/completions", "acompletion"),
    ],
)
def test_other_kinds_of_our_client_are_one_tree(
    kind: str, path: str, routed: str, litellm_mark: str, recorded: Spans
) -> None:
    """Other kinds of calls are one tree as well, as with chats."""
    trace = merged(recorded, f"for {kind} {litellm_mark}")
    route = (f"litellm-Router.{routed}", [(f"litellm-{routed}", [])])
    assert tree(trace) == (kind, [(f"litellm-{kind}", [(f"POST {path}", [route])])])


def test_bare_call_of_our_client_is_the_root(litellm_mark: str, recorded: Spans) -> None:
    """A call of the client is the root if no traced function of the user is around it."""
    trace = merged(recorded, f"for bare {litellm_mark}")
    assert tree(trace) == ("litellm-completion", [("POST /chat/completions", ROUTED)])


@pytest.mark.parametrize(
    "function", ["completion", "stream", "acompletion", "astream", "embedding", "bare"]
)
def test_tokens_are_counted_once_with_our_client(
    function: str, litellm_mark: str, recorded: Spans
) -> None:
    """Tokens are counted once, though the client and the proxy both count them."""
    trace = merged(recorded, f"for {function} {litellm_mark}")
    counted = [span for span in trace.data.spans if "mlflow.chat.tokenUsage" in span.attributes]
    assert trace.info.token_usage["total_tokens"] == total_of(counted[-1]) > 0


def test_callers_headers_are_sent(litellm_mark: str, recorded: Spans) -> None:
    """The caller's headers are sent beside the added one, and the caller's dict is unchanged."""
    trace = merged(recorded, f"for headers {litellm_mark}")
    [request] = gateways(trace)
    assert request.attributes["litellm_call_id"] == f"call-{litellm_mark}"
    [call] = spans(trace, "litellm-completion")
    assert request.parent_id == call.span_id


def test_traceparent_that_the_caller_gives_wins(litellm_mark: str, recorded: Spans) -> None:
    """The request is below the span that the caller's own traceparent names."""
    trace = merged(recorded, f"for own_traceparent {litellm_mark}")
    calls = [("litellm-completion", []), ("POST /chat/completions", ROUTED)]
    assert tree(trace) == ("own_traceparent", calls)


def test_opentelemetry_client_and_gateway_are_one_tree(
    tmp_path_factory: pytest.TempPathFactory,
    tracking: TrackingServer,
    gateway: Gateway,
    recorded: Spans,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program without MLflow joins too; its spans go to the tracking server's OTLP endpoint."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    mlflow.set_tracking_uri(tracking.uri)
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    monkeypatch.setenv("TRACKING", tracking.uri)
    monkeypatch.setenv("EXPERIMENT_ID", experiment.experiment_id)
    mark = run_client(OPENTELEMETRY_CLIENT, tmp_path_factory, tracking.uri, gateway)
    trace = merged(recorded, f"agent {mark}")
    assert tree(trace) == (f"agent {mark}", [("POST /v1/chat/completions", ROUTED)])
    [attempt] = spans(trace, "litellm-acompletion")
    assert trace.info.token_usage["total_tokens"] == total_of(attempt)


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{TRACE_ID}-b7ad6b7169203331-00",
        f"00-{TRACE_ID}-0000000000000000-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE_ID}-b7ad6b7169203331",
        f"ff-{TRACE_ID}-b7ad6b7169203331-01",
        "garbage",
        "",
    ],
    ids=["unsampled", "no span", "no trace", "short", "version", "garbage", "empty"],
)
def test_traceparent_that_names_no_recorded_span_is_not_joined(
    traceparent: str, gateway: Gateway, recorded: Spans, tag: str
) -> None:
    """A request whose traceparent names no recorded span is a complete trace of its own."""
    ask(gateway, tag, traceparent)
    trace = recorded.tagged(tag)
    assert tree(trace) == ("POST /v1/chat/completions", ROUTED)
    assert trace.info.trace_id != f"tr-{TRACE_ID}"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_gateways_in_a_chain_are_one_tree(
    stream: bool, front: Gateway, recorded: Spans, tag: str
) -> None:
    """The second proxy's request is below the first one's attempt; tokens are counted once."""
    ask(front, tag, "", stream=stream)
    trace = merged(recorded, tag, 2)
    assert tree(trace) == (
        "POST /v1/chat/completions",
        [
            (
                "litellm-Router.acompletion",
                [("litellm-acompletion", [("POST /chat/completions", ROUTED)])],
            )
        ],
    )
    _, attempt = spans(trace, "litellm-acompletion")
    assert trace.info.token_usage["total_tokens"] == total_of(attempt) > 0


def test_callers_trace_is_not_joined_where_that_is_ignored(
    front: Gateway, recorded: Spans, tag: str
) -> None:
    """LiteLLM's own variable switches joining off; the proxy still sends its own traceparent."""
    ask(front, tag, f"00-{TRACE_ID}-b7ad6b7169203331-01")
    trace = merged(recorded, tag, 2)
    assert trace.info.trace_id != f"tr-{TRACE_ID}"
    assert root(trace).name == "POST /v1/chat/completions"
