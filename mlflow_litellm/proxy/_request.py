"""Trace one request to LiteLLM Proxy: its span is a root, or a child of the caller's span."""

from __future__ import annotations

import json
import re
import sys
import time
from asyncio import CancelledError
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType

from mlflow_litellm._common import attributes as names
from mlflow_litellm._instrumentation.context import CallContext
from mlflow_litellm._instrumentation.stream_state import open_streams
from mlflow_litellm._payloads.media import bounded
from mlflow_litellm._payloads.message_logging import ENABLE
from mlflow_litellm._payloads.secret_values import Redaction
from mlflow_litellm._payloads.secrets import is_secret_name
from mlflow_litellm._tracing import privacy
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.privacy import Content
from mlflow_litellm._tracing.remote import remote_trace
from mlflow_litellm._tracing.span import CallSpan
from mlflow_litellm.proxy import _guardrails, _identity
from mlflow_litellm.proxy._response import ProxyResponse, message_of
from mlflow_litellm.proxy._routes import target_passed_through
from mlflow_litellm.proxy._verdict import RootEnd, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from mlflow_litellm._instrumentation.target import Target
    from mlflow_litellm._payloads.base import Request, Response

_FIRST_ERROR = 400
_FIRST_SERVER_ERROR = 500
# In bytes. Of longer requests, such as those with files, only the LiteLLM call records the data.
_LONGEST = 1_000_000
# In seconds. Clients leave only after a wait; the check for it takes a turn of the event loop.
_LONG_S = 0.5
_OWN = frozenset({names.TOOL_NAME, names.MCP_METHOD})
# https://docs.litellm.ai/docs/proxy/logging_spec#standardloggingguardrailinformation
_WORST_FIRST = (
    "guardrail_intervened", "guardrail_failed_to_respond", "guardrail_flagged", "success",
)  # fmt: skip
_MODEL = re.compile(r"/models?/([^/:]+)")


class RequestFailedError(Exception):
    """The error response of the proxy to a request that it refused, or that failed."""


class ProxiedRequest(CallContext):
    """
    One request to LiteLLM Proxy, and its span, which ends with the last message of the response.

    Args:
        scope: The request's scope of ASGI; its route is added later.
        target: The kind of call.

    Attributes:
        response: The response of the proxy.
    """

    __slots__ = (
        "_allowed",
        "_body",
        "_broken_stream",
        "_error",
        "_has_inner_call",
        "_headers",
        "_identity",
        "_is_received",
        "_parsed_request",
        "_remote",
        "_scope",
        "_size",
        "_statuses",
        "_verdict",
        "response",
    )  # fmt: skip

    def __init__(self, scope: MutableMapping[str, Any], target: Target) -> None:
        self._scope = scope
        self._headers: dict[str, str] = _decoded(scope["headers"])
        self._remote = remote_trace(self._headers)
        super().__init__(self._start(), target)
        self._allowed: Content | None = None
        self._verdict = self._guarded()
        # The results of inner calls are not held.
        self.resolve_outcome(None)
        self.response = ProxyResponse()
        self._identity: dict[str, Any] = {}
        self._statuses: list[str] = []
        self._broken_stream: BaseException | None = None
        self._is_received = False
        self._parsed_request: Request | None = None
        self._has_inner_call = False
        self._body: list[bytes] = []
        self._size = 0
        self._error: BaseException | None = None

    def _start(self) -> CallSpan:
        name = f"{self._scope['method']} {self._scope['path']}"
        if self._remote is None:
            return CallSpan(name, SpanType.CHAIN).start()
        with guard("continuing a caller's trace"):
            self._remote.join()
        with self._remote.active():
            return CallSpan(name, SpanType.CHAIN).start()

    def _guarded(self) -> Verdict | None:
        with guard("looking for guardrails"):
            guards = _guardrails.guards()
            if guards is None:
                return None
            verdict = Verdict(guards)
            self.span.withheld = verdict.withheld
            return verdict
        # If the guardrails cannot be read, no content may be recorded.
        self.span.content = Content.REDACTED
        return None

    def add_inner_request(self, target: Target, request: Request) -> None:
        """Record the request of an inner call: LiteLLM made it from the client's request."""
        super().add_inner_request(target, request)
        # Only an inner call by LiteLLM itself counts: a guardrail may have called a model before.
        if self.inner_targets and not self._has_inner_call:
            self._has_inner_call = True
            self._parsed_request = request
            self._body.clear()

    def add_guardrail(self, name: str, mode: str, status: str) -> None:
        """Record the verdict of a guardrail, by which traces are searched."""
        super().add_guardrail(name, mode, status)
        self._statuses.append(status)

    def record_late(self, status: str, record: Callable[[], None]) -> None:
        """Record a guardrail's run below the request, whose span may wait for LiteLLM's log."""
        self._statuses.append(status)
        if self.is_open:
            with self.active():
                record()
        elif self._verdict is not None:
            self._verdict.record_late(record, _worst(self._statuses))

    def add_lost_stream(self, error: BaseException) -> None:
        """Record that the model's stream broke: a guardrail may end the client's normally."""
        if not isinstance(error, CancelledError):
            self._broken_stream = error

    @property
    def may_be_disconnected(self) -> bool:
        """Whether the request is received, and the client has waited long for a response."""
        waited = time.perf_counter() - self.span.started_at
        return self._is_received and self.response.status is None and waited > _LONG_S

    def record_disconnect(self) -> None:
        """Record that the client has left before the end of the response."""
        if not self.response.is_complete:
            self._identity[names.CLIENT_DISCONNECTED] = True
            self.cancelled_by = self.cancelled_by or "the client left"

    def identify(self, key: object, call_type: str | None = None) -> None:
        """
        Record the key and the call type of the request.

        Args:
            key: LiteLLM's ``UserAPIKeyAuth``.
            call_type: LiteLLM's name of the call that the request makes, such as ``"acompletion"``.
        """
        self._identity.update(_identity.attributes(key))
        if call_type is not None:
            self._identity[names.CALL_TYPE] = str(getattr(call_type, "value", call_type))

    def record_data(self, data: Mapping[str, Any]) -> None:
        """Record the switches for content and the call id from LiteLLM's data of the request."""
        self._allowed = privacy.allowed(data)
        # The id of a request that is passed through.
        logged = getattr(data.get("litellm_logging_obj"), "litellm_call_id", None)
        call_id = data.get("litellm_call_id") or logged
        if isinstance(call_id, str):
            # An error response has no header with the id.
            self._identity[names.CALL_ID] = call_id
            if self._verdict is not None:
                self._verdict.expect(call_id, data)

    def record_failure(self, error: BaseException, data: Mapping[str, Any]) -> None:
        """Record why the request failed, and LiteLLM's data of it at that time."""
        self._error = error
        self.record_data(data)
        if self._parsed_request is None:
            self._parsed_request = self.target.kind.request({**self._arguments(), **data})

    def receive(self, message: Mapping[str, Any]) -> None:
        """Read an ASGI message from the client."""
        if message["type"] == "http.disconnect":
            self.record_disconnect()
            return
        self._is_received |= not message.get("more_body", False)
        if not self._has_inner_call:
            self._size += len(message.get("body") or b"")
            if self._size <= _LONGEST:
                self._body.append(message.get("body") or b"")

    def send(self, message: Mapping[str, Any]) -> None:
        """Read an ASGI message to the client. The last message ends the span."""
        if message["type"] == "http.response.start":
            self._start_response(message)
        elif message["type"] == "http.response.body":
            self.response.add(message)
        if self.response.is_complete:
            self.end()

    def _start_response(self, message: Mapping[str, Any]) -> None:
        arguments = {} if self._has_inner_call else self._arguments()
        if not self._has_inner_call:
            self.target = target_passed_through(self.target, arguments)
        is_priced = not self._has_inner_call
        self.response.start(message, self.target.kind, arguments, is_priced=is_priced)

    def end(self, error: BaseException | None = None) -> None:
        """End the span. `error` was raised instead of a response. Only the first call counts."""
        if not self.is_open:
            return
        self.is_open = False
        self._obey_switches()
        if isinstance(error, Exception) and self.response.status is None:
            # Each ASGI server responds with this status.
            self.response.status = 500
        response, error = self._record(error)
        if error is not None:
            with guard("ending the streams of a failed request"):
                open_streams.abandon_below(self)
        self._end_span(response, error)
        self._drop_content()

    def _record(self, error: BaseException | None) -> tuple[Response | None, BaseException | None]:
        """Record the request; return the response, and the reason if the request failed."""
        response = None
        with guard("reading why a request failed"):
            error = error or self._failure()
        if self.span.recording:
            with guard("reading a request to the proxy"):
                self.span.record(self._request())
            with guard("reading a response of the proxy"):
                response = self._read_response(error)
                error = error or response.error
        return response, error

    def _end_span(self, response: Response | None, error: BaseException | None) -> None:
        """End the span. The span of a guarded request waits for the verdict."""
        verdict = self._verdict
        if verdict is not None:
            self.span.withheld = RootEnd(
                verdict,
                self._leave_trace,
                has_inner_call=self._has_inner_call,
                shows_error=self._shows_error(),
            )
        if error is None:
            self.span.finish(response)
        else:
            self.span.fail(error, response, self._redaction())
        if verdict is None:
            self._leave_trace()
        else:
            self.span.withheld = verdict.withheld

    def _leave_trace(self) -> None:
        if self._remote is not None:
            with guard("leaving a caller's trace"):
                self._remote.leave()

    def _obey_switches(self) -> None:
        content = Content.REDACTED
        with guard("reading the switches of a request"):
            content = self._read_switches() if self._allowed is None else self._allowed
        self.restrict(content)

    def _read_switches(self) -> Content:
        """Return how much may be recorded of a request that LiteLLM has not read."""
        body = self._read_body()
        metadata = body.get("metadata")
        # The key is not checked yet, so the client may hide content, but not show hidden content.
        headers = {key: self._headers[key] for key in ENABLE if key in self._headers}
        metadata = {**(metadata if isinstance(metadata, dict) else {}), "headers": headers}
        return min(
            privacy.allowed({}),
            privacy.allowed(body),
            privacy.allowed({**body, "metadata": metadata}),
        )

    def _shows_error(self) -> bool:
        """Return whether the request's error may be recorded: if it is a verdict, not a fault."""
        status = self.response.status or 0
        if _FIRST_SERVER_ERROR > status >= _FIRST_ERROR:
            return True
        return type(self._error).__module__.startswith("litellm.")

    def _drop_content(self) -> None:
        """Drop the content: tasks that live longer than the request have it in their context."""
        self.response = ProxyResponse()
        self._parsed_request = self._error = self._broken_stream = None
        self._body.clear()
        self.redactions.clear()

    def _request(self) -> Request:
        fields = self._parsed_request or self.target.kind.request(self._arguments())
        path = getattr(self._scope.get("route"), "path", self._scope["path"])
        # https://opentelemetry.io/docs/specs/semconv/http/http-spans/
        verdict = _worst(self._statuses)
        http = {names.HTTP_METHOD: self._scope["method"], names.HTTP_ROUTE: path}
        return replace(
            fields,
            # The LiteLLM call records files; they are not recorded twice.
            inputs=bounded(fields.inputs),
            has_media=False,
            api_base=None,
            attributes={**_own(fields.attributes), **http, **self._identity, **verdict},
            tags={**fields.tags, **_identity.tags(self._identity), **verdict},
            user=fields.user or _identity.user(self._identity),
        )

    def _read_response(self, error: BaseException | None) -> Response:
        fields = self.response.read()
        if self.response.has_failed:
            fields.outputs = self._without_secrets(fields.outputs)
        elif self.response.status is not None and not self._has_inner_call:
            self.span.set_type(self.target.span_type)
            # LiteLLM's configured address may differ from the address of this request.
            fields.api_base = None
        fields.attributes.update(self.response.attributes(self.span.started_at, error))
        return fields

    def _failure(self) -> BaseException | None:
        status = self.response.status
        if status is None:
            return self._error or RequestFailedError("the client left before it was answered")
        if self.response.has_failed:
            # Some of LiteLLM's exceptions have no text.
            fields = RequestFailedError(f"{status}: {message_of(self.response.body())}")
            return self._error if self._error and str(self._error) else fields
        return self.response.error or self._broken_stream

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of the call that the proxy passes on, from its body and path."""
        arguments = self._read_body()
        first = self._scope["path"].strip("/").partition("/")[0]
        if (model := _MODEL.search(self._scope["path"])) is not None:
            arguments.setdefault("model", model[1])
        providers = getattr(sys.modules.get("litellm"), "provider_list", ())
        if (name := first.replace("-", "_")) in providers:
            arguments.setdefault("custom_llm_provider", name)
        return arguments

    def _read_body(self) -> dict[str, Any]:
        try:
            body = json.loads(b"".join(self._body)) if self._size <= _LONGEST else {}
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}

    def _without_secrets(self, body: object) -> Any:
        text = self._redaction()(json.dumps(body))
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text

    def _redaction(self) -> Redaction:
        secret = {name: value for name, value in self._headers.items() if is_secret_name(name)}
        keys = [value.split()[-1] for value in secret.values() if value.strip()]
        master_key = getattr(sys.modules.get("litellm.proxy.proxy_server"), "master_key", None)
        secrets = {"headers": secret, "api_key": keys, "master_key": master_key}
        return Redaction(secrets, frozenset(), self.redactions)


def _worst(statuses: list[str]) -> dict[str, str]:
    """Return the worst verdict of a request's guardrails by attribute name; empty if none ran."""
    worst = next((status for status in _WORST_FIRST if status in statuses), None)
    return {names.GUARDRAIL_STATUS: worst} if worst else {}


def _own(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of the LiteLLM call that also belong to the request."""
    return {key: value for key, value in attributes.items() if key in _OWN}


def _decoded(headers: Any) -> dict[str, str]:
    """Return ASGI's headers by lower-case name."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
