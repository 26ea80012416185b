"""Decide which content of a guarded request is recorded: only the content that LiteLLM logs."""

from __future__ import annotations

import asyncio
import json
from contextvars import copy_context
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from mlflow_litellm._common import switches
from mlflow_litellm._common.interruptions import errors_ignored
from mlflow_litellm._payloads.serialize import to_jsonable
from mlflow_litellm._tracing.guard import guard
from mlflow_litellm._tracing.privacy import Content, request_of, response_of
from mlflow_litellm._tracing.span_end import Withheld
from mlflow_litellm.proxy import _guardrails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mlflow_litellm._payloads.base import Request
    from mlflow_litellm._tracing.span_end import SpanEnd
    from mlflow_litellm.proxy._guardrails import Guards

# If set, responses of providers are recorded that a guardrail changed or blocked.
RAW_RESPONSES = "MLFLOW_LITELLM_LOG_RAW_ANSWERS"

# LiteLLM logs a call shortly after its response has been sent.
WAIT_S = 10.0
_REDACTED = "[REDACTED]"
# Fields of requests and responses that are no content. They differ between the client's response,
# the provider's response and LiteLLM's payload.
_NO_CONTENT = frozenset({
    "created_at", "finish_reason", "id", "item_id", "model", "object", "previous_response_id",
    "role", "service_tier", "status", "stop_reason", "system_fingerprint", "tool_call_id", "type",
})  # fmt: skip
# An id of a response may contain its deployment, encrypted, so it may be long.
_LONGEST_NO_CONTENT = 1000
# The most searches for a text within other texts: more take too long.
_MOST_SEARCHES = 100

# JSON that may have several texts begins with one of these.
_OPENINGS = ("{", "[")

# The fields of a response that hold its content, in the formats of the providers.
_OUTPUTS = ("choices", "content", "output")


class Verdict:
    """
    The verdict on one request, given when the request's end and LiteLLM's payload are known.

    Args:
        guards: The callbacks that guard the request.

    Attributes:
        withheld: The spans that wait for the verdict.
    """

    def __init__(self, guards: Guards) -> None:
        self.withheld = Withheld()
        self._guards = guards
        self._keeps_raw = switches.switch(RAW_RESPONSES, default=False, unknown=False)
        self._masked_by: set[int] = set()
        self._masked: tuple[Any, Any] | None = None
        self._payload: Texts | None = None
        self._is_expected = False
        self._originals: dict[str, str] = {}
        self._data: Mapping[str, Any] = {}
        self._root: SpanEnd | None = None
        self._root_end: RootEnd | None = None
        _guardrails.observe(guards.masking, verdicts.record_masked)

    def expect(self, call_id: str, data: Mapping[str, Any]) -> None:
        """Use the payload of a call for this request. `data` is LiteLLM's data of the request."""
        self._is_expected = True
        self._data = data
        verdicts.add(call_id, self)

    def record_masked(self, callback: object, masked: object) -> None:
        """Record the request and the response as a logging hook has masked them."""
        if not isinstance(masked, tuple):
            # LiteLLM and its callbacks then go on with the unmasked content.
            return
        details, result = masked
        self._masked = (to_jsonable(details["messages"]), to_jsonable(result))
        self._masked_by.add(id(callback))

    def read_log(self, details: Mapping[str, Any]) -> None:
        """Read LiteLLM's log of the call."""
        expected = self._guards.expected(details)
        if not expected:
            self._masked = None
            self._originals = _originals(details["litellm_params"], self._data)
            self._payload = Texts(
                _masked_again(details["standard_logging_object"], self._originals)
            )
        elif self._masked_by.issuperset(map(id, expected)):
            self._payload = Texts(self._masked)
        if self._root is not None:
            self.release()

    def end(self, root: SpanEnd, root_end: RootEnd) -> None:
        """Keep the end of the request's own span, and give the verdict as soon as possible."""
        self._root, self._root_end = root, root_end
        # LiteLLM passes nothing to its callbacks for a request that must not be logged.
        is_logged = self._is_expected and root.content > Content.NOTHING
        if root.failure is None and self._payload is None and is_logged:
            with guard("waiting for LiteLLM's log"):
                asyncio.get_running_loop().call_later(WAIT_S, self.release)
                verdicts.wait(self)
                return
        self.release()

    def record_late(self, record: Callable[[], None], verdict: Mapping[str, str]) -> None:
        """
        Record a guardrail that ran for logs, if the request's span still waits.

        Args:
            record: Makes a span below the current one.
            verdict: The worst verdict of the request's guardrails, by attribute name.
        """
        root = self._root
        if root is None:
            return
        if root.request is not None:
            attributes = {**root.request.attributes, **verdict}
            tags = {**root.request.tags, **verdict}
            root.request = replace(root.request, attributes=attributes, tags=tags)
            root.tags_trace = True
        # In a copy of the context, so the span need not be made inactive again.
        copy_context().run(_record_below, root, record)

    def release(self) -> None:
        """Write all spans by the data that has come so far. A second call does nothing."""
        verdicts.discard(self)
        root, self._root = self._root, None
        root_end, self._root_end = self._root_end, None
        if root is None or root_end is None:
            return
        self.withheld.release(self._decision(root, root_end))
        self._payload = self._masked = None
        self._data, self._originals = {}, {}
        root_end.on_release()

    def _decision(self, root: SpanEnd, root_end: RootEnd) -> Callable[[SpanEnd], None]:
        if root.failure is not None:
            return lambda end: self._decide_failed(end, root_end, is_root=end is root)
        if self._guards.unmasks:
            # The client got the texts without masks; the providers' responses still have the masks.
            ends = [end for end in self.withheld.waiting() if end is not root]
            masked = Texts([end.response.outputs for end in ends if end.response is not None])
            return lambda end: self._decide(end, masked)
        served = Texts(root.response and root.response.outputs)
        return lambda end: self._decide(end, None if end is root else served)

    def _decide_failed(self, end: SpanEnd, root_end: RootEnd, *, is_root: bool) -> None:
        if self._guards.masking:
            return
        end.content = Content.FULL
        if end.request is not None and not (root_end.has_inner_call and root_end.shows_error):
            end.request = request_of(end.request, Content.REDACTED)
        if end.failure is not None and not root_end.shows_error:
            end.failure = end.failure.without_text()
        keeps = root_end.shows_error and not self._guards.unmasks if is_root else self._keeps_raw
        if end.response is not None and not keeps:
            end.response = response_of(end.response, Content.REDACTED)

    def _decide(self, end: SpanEnd, allowed: Texts | None) -> None:
        payload = self._payload
        if payload is None:
            return
        end.content = Content.FULL
        if end.request is not None:
            end.request = self._request(end.request, payload)
        if end.response is None:
            return
        if self._masked is not None:
            outputs = end.response.outputs
            # The result of the hook lacks empty fields.
            if payload.only(outputs) != outputs:
                outputs = _masked_outputs(outputs, self._masked[1])
        elif allowed is None:
            outputs = end.response.outputs
        elif self._keeps_raw and not self._guards.unmasks:
            return
        else:
            outputs = allowed.only(_masked_again(end.response.outputs, self._originals))
        end.response = replace(end.response, outputs=payload.only(outputs))

    def _request(self, request: Request, payload: Texts) -> Request:
        inputs = request.inputs
        if self._masked is not None and "messages" in inputs:
            inputs = {**inputs, "messages": self._masked[0]}
        return replace(
            request,
            inputs=payload.only(inputs),
            tools=payload.only(request.tools),
            metadata=payload.only(request.metadata),
            trace_metadata=payload.only(request.trace_metadata),
        )


class RootEnd:
    """
    Pass the end of a request's own span to the verdict on all spans of the request.

    Args:
        verdict: The verdict.
        on_release: Called after all spans have ended.
        has_inner_call: Whether LiteLLM made a call for the request, which the guards let pass.
        shows_error: Whether the text of its error may be recorded, not only the type.
    """

    def __init__(
        self,
        verdict: Verdict,
        on_release: Callable[[], None],
        *,
        has_inner_call: bool,
        shows_error: bool,
    ) -> None:
        self._verdict = verdict
        self.on_release = on_release
        self.has_inner_call = has_inner_call
        self.shows_error = shows_error

    def hold(self, end: SpanEnd) -> None:
        """Keep the end until the verdict."""
        self._verdict.withheld.hold(end)
        self._verdict.end(end, self)


class Texts:
    """
    The set of texts in data of JSON types.

    Args:
        data: The data; converted to JSON types if it has others.
    """

    def __init__(self, data: object) -> None:
        self._texts = frozenset(_texts(to_jsonable(data)))
        self._merged: str | None = None
        self._searches = 0

    def __contains__(self, text: str) -> bool:
        if text in self._texts:
            return True
        self._searches += 1
        if self._searches > _MOST_SEARCHES:
            return False
        if self._merged is None:
            self._merged = "\0".join(self._texts)
        return text in self._merged

    def only(self, data: object) -> Any:
        """Return `data` with each text that is not in this set redacted."""
        if isinstance(data, dict):
            return {key: self._field(key, value) for key, value in data.items()}
        if isinstance(data, list):
            return [self.only(item) for item in data]
        return _REDACTED if isinstance(data, str) and data not in self else data

    def _field(self, key: object, value: object) -> Any:
        is_short = isinstance(value, str) and len(value) <= _LONGEST_NO_CONTENT
        return value if is_short and key in _NO_CONTENT else self.only(value)


def _record_below(root: SpanEnd, record: Callable[[], None]) -> None:
    root.active().__enter__()
    record()


def _texts(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
        if data[:1] in _OPENINGS:
            # LiteLLM logs the body of a request that it passes through as one text.
            yield from _texts_of_json(data)
    elif isinstance(data, dict):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, (list, tuple)):
        for item in data:
            yield from _texts(item)


def _texts_of_json(text: str) -> Iterator[str]:
    with errors_ignored():
        yield from _texts(json.loads(text))


def _originals(*sources: Mapping[str, Any]) -> dict[str, str]:
    """Return the masks by their original texts, which LiteLLM's guardrails keep in metadata."""
    masks: dict[str, str] = {}
    for source, name in product(sources, ("metadata", "litellm_metadata")):
        tokens = (source.get(name) or {}).get("pii_tokens") or {}
        masks.update({original: token for token, original in tokens.items() if original})
    return dict(sorted(masks.items(), key=lambda pair: -len(pair[0])))


def _masked_again(data: object, originals: Mapping[str, str]) -> Any:
    """Return data with each original text replaced by its mask."""
    if not originals:
        return data
    data = to_jsonable(data)
    if isinstance(data, dict):
        return {key: _masked_again(value, originals) for key, value in data.items()}
    if isinstance(data, list):
        return [_masked_again(item, originals) for item in data]
    if isinstance(data, str):
        for original, token in originals.items():
            data = data.replace(original, token)
    return data


def _masked_outputs(outputs: object, masked: object) -> Any:
    """Return a response with the contents that a logging hook has masked."""
    if isinstance(outputs, dict) and isinstance(masked, dict):
        return {**outputs, **{key: masked[key] for key in _OUTPUTS if key in masked}}
    return None


class Verdicts:
    """
    The verdicts that are not given yet. All requests to the proxy share one instance.

    It has no lock: LiteLLM calls its hooks in the event loop.
    """

    def __init__(self) -> None:
        self._by_call: WeakValueDictionary[str, Verdict] = WeakValueDictionary()
        self._waiting: set[Verdict] = set()

    def add(self, call_id: str, verdict: Verdict) -> None:
        """Pass the data of a call on to a verdict, as long as the verdict exists."""
        self._by_call[call_id] = verdict

    def wait(self, verdict: Verdict) -> None:
        """Keep a verdict that waits for a payload, until `discard`."""
        self._waiting.add(verdict)

    def discard(self, verdict: Verdict) -> None:
        """Drop a verdict that is given."""
        self._waiting.discard(verdict)

    def record_masked(self, callback: object, details: Any, masked: object) -> None:
        """Pass on the result of a logging hook of one of LiteLLM's callbacks."""
        with guard("recording the masks of a guardrail"):
            if (verdict := self._by_call.get(details.get("litellm_call_id"))) is not None:
                verdict.record_masked(callback, masked)

    def read_log(self, details: Mapping[str, Any]) -> None:
        """Pass on LiteLLM's log of a call."""
        with guard("reading LiteLLM's log"):
            call_id: Any = details.get("litellm_call_id")
            if (verdict := self._by_call.get(call_id)) is not None:
                verdict.read_log(details)

    def release_all(self) -> None:
        """Give all verdicts that wait for a payload, because the proxy stops."""
        for verdict in tuple(self._waiting):
            with guard("ending a request as the proxy stops"):
                verdict.release()


verdicts = Verdicts()
