"""
The table of the attributes that this package records on spans.

Each attribute is a constant: its name, a plain `str`. Code that records an attribute uses the
constant. The tables in the documentation are made from `ATTRIBUTES`: see docs/contributing.md.

In `source`, "response" is LiteLLM's response, "hidden" its hidden parameters, and "call" the
arguments of the call.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

# The spans that have an attribute.
CALL = "call"
STREAM = "stream"
REQUEST = "request to LiteLLM Proxy"
GUARDRAIL = "run of a guardrail"
TOOL = "request to an MCP server"
ANY = "span of MLflow"


class Attribute(NamedTuple):
    """
    One attribute of a span.

    Attributes:
        spans: The spans that have it.
        name: Its name in the trace.
        type: The type of its value, in JSON's words.
        unit: The unit of its value; empty if it has none.
        source: The origin of its value, as Markdown.
        absent: When a span does not have it, as Markdown.
    """

    spans: str
    name: str
    type: str
    unit: str
    source: str
    absent: str


# By name, in the order of the documentation.
ATTRIBUTES: dict[str, Attribute] = {}


def _row(spans: str, name: str, type_: str, unit: str = "", **texts: str) -> str:
    """Add an attribute with its `source` and `absent` to the table, and return its name."""
    ATTRIBUTES[name] = Attribute(spans, name, type_, unit, **texts)
    return name


_call = partial(_row, CALL)
_stream = partial(_row, STREAM)
_request = partial(_row, REQUEST)
_guardrail = partial(_row, GUARDRAIL)
_tool = partial(_row, TOOL)
_any = partial(_row, ANY)

# The formatter would give each row six lines.
# fmt: off

# The model and its provider.
MODEL = _call("model", "string",
    source="call", absent="not given, as in a moderation")
LLM_MODEL = _call("mlflow.llm.model", "string",
    source="response; call, if there is no response", absent="neither has it")
LLM_PROVIDER = _call("mlflow.llm.provider", "string",
    source="hidden; else looked up by the model's name", absent="provider unknown")
CUSTOM_LLM_PROVIDER = _call("custom_llm_provider", "string",
    source="as above, by LiteLLM's name", absent="as above")
API_BASE = _call("api_base", "string", "URL",
    source="call; else the provider's configuration; else hidden. Without credentials and query",
    absent="unknown")
MODEL_ID = _call("model_id", "string",
    source="hidden; else Router's `model_info`: id of the deployment",
    absent="not called by Router")
MODEL_GROUP = _call("model_group", "string",
    source="Router: the requested model name", absent="not called by Router")
DEPLOYMENT = _call("deployment", "string",
    source="Router: the model of the deployment", absent="not called by Router")

# The response.
CALL_ID = _call("litellm_call_id", "string",
    source="hidden; of a request to the proxy: the response header `x-litellm-call-id`",
    absent="no response, or LiteLLM does not set it")
CACHE_HIT = _call("cache_hit", "boolean",
    source="hidden: whether LiteLLM's cache answered", absent="no response")
FINISH_REASONS = _call("finish_reasons", "list of strings",
    source="response: one for each choice, or its status; null for a choice that a broken stream "
           "did not end",
    absent="no response, or a response without text")
EMBEDDING_COUNT = _call("embedding_count", "integer", "vectors",
    source="response of an embedding", absent="no vectors")
EMBEDDING_DIMENSION = _call("embedding_dimension", "integer", "numbers",
    source="response of an embedding: of its first vector",
    absent="no vectors, or vectors in base64")
FLAGGED = _call("flagged", "boolean",
    source="response of a moderation: whether any input was flagged", absent="not a moderation")
AUDIO_SECONDS = _call("audio_seconds", "number", "s",
    source="response of a transcription: as reported, billed, or measured by LiteLLM",
    absent="unknown")
PAGES_PROCESSED = _call("pages_processed", "integer", "pages",
    source="response of an OCR, as billed", absent="not reported")

# Tokens, cost and time.
CHAT_USAGE = _call("mlflow.chat.tokenUsage", "dict of integers", "tokens",
    source="response", absent="not counted")
REASONING_TOKENS = _call("reasoning_tokens", "integer", "tokens",
    source="response; included in the output tokens", absent="none, or not counted")
INPUT_AUDIO_TOKENS = _call("input_audio_tokens", "integer", "tokens",
    source="response; included in the input tokens", absent="none, or not counted")
OUTPUT_AUDIO_TOKENS = _call("output_audio_tokens", "integer", "tokens",
    source="response; included in the output tokens", absent="none, or not counted")
LLM_COST = _call("mlflow.llm.cost", "dict of numbers", "USD",
    source="LiteLLM's own figure; 0 on a cache hit",
    absent="neither LiteLLM nor MLflow has a price, or tokens are not counted")
RESPONSE_COST = _call("response_cost", "number", "USD",
    source="the total of `mlflow.llm.cost`",
    absent="LiteLLM has no price, or tokens are not counted")
OUTPUT_TOKENS_PER_SECOND = _call("output_tokens_per_second", "number", "tokens/s",
    source="output tokens divided by the duration of the call",
    absent="not counted; on a cache hit")
OVERHEAD_MS = _call("litellm_overhead_time_ms", "number", "ms",
    source="hidden: LiteLLM's own time, without the provider's", absent="LiteLLM does not set it")

# The place of a call among others.
INNER_CALLS = _call("inner_calls", "integer", "calls",
    source="the number of calls of the same kind that LiteLLM made for this one: attempts, calls "
           "of a batch, turns",
    absent="none")
ENDED_TRACE_ID = _call("ended_trace_id", "string",
    source="MLflow: the trace that [had ended before the call](#a-call-after-its-parent-has-ended)",
    absent="the parent has not ended, or there is none")
ENDED_SPAN_ID = _call("ended_span_id", "string",
    source="MLflow: the span of that trace that would have been the parent", absent="as above")
OTEL_TRACE_ID = _call("otel_trace_id", "string",
    source="OpenTelemetry: the trace of [a span outside "
           "MLflow](#a-call-below-a-span-that-mlflow-does-not-know), in hexadecimal digits",
    absent="there is none")
OTEL_SPAN_ID = _call("otel_span_id", "string",
    source="OpenTelemetry: that span", absent="as above")
ROUTING_STRATEGY = _call("routing_strategy", "string",
    source="Router", absent="not a composite call of a Router")
MODEL_GROUPS = _call("model_groups", "list of strings",
    source="Router's composite call: the model groups that were tried, in order",
    absent="not a composite call of a Router")
ATTEMPTED_RETRIES = _call("attempted_retries", "integer",
    source="Router; proxy; a call's attempts with `num_retries`", absent="not reported")
ATTEMPTED_FALLBACKS = _call("attempted_fallbacks", "integer",
    source="Router; proxy", absent="not reported")

# Failures and limits.
ERROR_CODE = _call("error_code", "integer", "HTTP status",
    source="LiteLLM's exception: the status that LiteLLM assigns to the failure, even without a "
           "response",
    absent="no failure, or not an exception of LiteLLM")
RATELIMIT_REQUESTS = _call("ratelimit_remaining_requests", "integer", "requests",
    source="the provider's rate-limit headers", absent="not sent")
RATELIMIT_TOKENS = _call("ratelimit_remaining_tokens", "integer", "tokens",
    source="the provider's rate-limit headers", absent="not sent")

# The request.
METADATA = _call("metadata", "dict",
    source="call: `metadata` and `litellm_metadata`, [redacted](#no-secrets)", absent="not given")
SESSION_ID = _call("session.id", "string",
    source="as `mlflow.trace.session` [below](#of-the-trace)", absent="not given, or not the root")
USER_ID = _call("user.id", "string",
    source="as `mlflow.trace.user` [below](#of-the-trace)", absent="not given, or not the root")
CHAT_TOOLS = _call("mlflow.chat.tools", "list of dicts",
    source="call: `tools`", absent="not given")
MESSAGE_FORMAT = _call("mlflow.message.format", "string",
    source="`openai`, `anthropic` or `gemini`; the UI reads the messages by it",
    absent="no messages")

# A stream.
USAGE_IS_ESTIMATE = _stream("usage_is_estimate", "boolean",
    source="`true` if tokens and cost are [LiteLLM's estimate](streaming.md#what-is-recorded)",
    absent="the provider counted, or there is no count")
STREAM_END = _stream("stream_end", "string",
    source="`finished`, `abandoned`, `failed` or `unreadable`: [how it "
           "ended](streaming.md#how-it-ends)",
    absent="never")
STREAM_CHUNKS = _stream("stream_chunks", "integer", "chunks",
    source="the chunks that were read", absent="never")
TIME_TO_FIRST_CHUNK_MS = _stream("time_to_first_chunk_ms", "number", "ms",
    source="from the call to the first chunk", absent="none was read")
TIME_TO_FIRST_CONTENT_MS = _stream("time_to_first_content_ms", "number", "ms",
    source="from the call to the first text, tool call, picture or audio, after any reasoning",
    absent="none was read")
LONGEST_CHUNK_GAP_MS = _stream("longest_chunk_gap_ms", "number", "ms",
    source="between two chunks, the reader's own time included", absent="fewer than two were read")

# A request to LiteLLM Proxy. The names of the caller are LiteLLM's:
# https://docs.litellm.ai/docs/proxy/logging_spec#standardlogginguserapikeymetadata
HTTP_METHOD = _request("http.request.method", "string",
    source="the request's method", absent="never")
HTTP_ROUTE = _request("http.route", "string",
    source="the proxy's route, else the request's path", absent="never")
HTTP_STATUS = _request("http.response.status_code", "integer", "HTTP status",
    source="the proxy's response", absent="the client left before the response")
CALL_TYPE = _request("call_type", "string",
    source="LiteLLM's name of the call behind the route, such as `acompletion` or "
           "`pass_through_endpoint`",
    absent="the proxy refused the request")
KEY_ALIAS = _request("user_api_key_alias", "string",
    source="the alias of the caller's key", absent="the key has none")
TEAM_ID = _request("user_api_key_team_id", "string",
    source="the key's team", absent="the key has none")
TEAM_ALIAS = _request("user_api_key_team_alias", "string",
    source="the alias of the key's team", absent="the team has none")
KEY_USER_ID = _request("user_api_key_user_id", "string",
    source="the key's user", absent="the key has none, or is the master key")
ORG_ID = _request("user_api_key_org_id", "string",
    source="the key's organisation", absent="the key has none")
END_USER_ID = _request("user_api_key_end_user_id", "string",
    source="the customer that the request names", absent="not named")
CLIENT_DISCONNECTED = _request("client_disconnected", "boolean",
    source="`true` if the client left before it got the response; checked after half a second, and "
           "in streams",
    absent="the client did not leave")
CANCELLED_BY = _request("cancelled_by", "string",
    source="of a call below: the guardrail, or the client's departure, that cancelled it",
    absent="not cancelled, or for another reason")

# A run of a guardrail.
GUARDRAIL_NAME = _guardrail("guardrail_name", "string",
    source="the proxy's configuration", absent="never")
GUARDRAIL_MODE = _guardrail("guardrail_mode", "string or list of strings",
    source="LiteLLM: the hook that ran, else the configured modes", absent="not configured")
GUARDRAIL_PROVIDER = _guardrail("guardrail_provider", "string",
    source="the guardrail", absent="not reported")
GUARDRAIL_STATUS = _guardrail("guardrail_status", "string",
    source="LiteLLM's verdict: `success`, `guardrail_flagged`, `guardrail_intervened`, "
           "`guardrail_failed_to_respond`. The request's span has the worst one",
    absent="not reported")
GUARDRAIL_ACTION = _guardrail("guardrail_action", "string",
    source="the guardrail: `allow`, `mask`, `block` or `deny`", absent="not reported")
MASKED_ENTITY_COUNT = _guardrail("masked_entity_count", "dict of integers", "entities",
    source="the guardrail: the number of masked entities of each kind", absent="nothing was masked")

# A request to an MCP server.
MCP_METHOD = _tool("mcp.method.name", "string",
    source="MCP's method, such as `tools/call`", absent="never")
MCP_SERVER = _tool("mcp_server_name", "string",
    source="LiteLLM's name of the server", absent="not given")
TOOL_NAME = _tool("gen_ai.tool.name", "string",
    source="the tool that is called", absent="the method calls no tool")

# MLflow's own, which its public methods set too.
INPUTS = _any("mlflow.spanInputs", "dict",
    source="the [inputs](#inputs)", absent="never")
OUTPUTS = _any("mlflow.spanOutputs", "any",
    source="the [outputs](#outputs)", absent="no response, or content is off")
SPAN_TYPE = _any("mlflow.spanType", "string",
    source="the [traced function](what-is-traced.md)", absent="never")
REQUEST_ID = _any("mlflow.traceRequestId", "string",
    source="MLflow: the id of the trace", absent="never")
EXPERIMENT_ID = _any("mlflow.experimentId", "string",
    source="MLflow, or the experiment that was found while the call ran",
    absent="the span is not a root")
