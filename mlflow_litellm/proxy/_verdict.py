"""What may be recorded of a request with guardrails: what LiteLLM gives its callbacks."""

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

# Has the answers of providers recorded that a guardrail changed or stopped.
RAW_ANSWERS = "MLFLOW_LITELLM_LOG_RAW_ANSWERS"

# LiteLLM logs a call shortly after its answer has been sent.
WAIT_S = 10.0
_REDACTED = "[REDACTED]"
# Fields of requests and answers that are no content, and differ between the client's answer, the
# provider's and LiteLLM's payload.
_NO_CONTENT = frozenset({
    "created_at", "finish_reason", "id", "item_id", "model", "object", "previous_response_id",
    "role", "service_tier", "status", "stop_reason", "system_fingerprint", "tool_call_id", "type",
})  # fmt: skip
# An id of a response may hold which deployment made it, encrypted.
_LONGEST_NO_CONTENT = 1000
# Texts that are looked for within others; more of them cost too much.
_MOST_SEARCHES = 100

# What JSON of more than one text begins with.
_OPENINGS = ("{", "[")

_known: WeakValueDictionary[str, Verdict] = WeakValueDictionary()
_waiting: set[Verdict] = set()


class Verdict:
    """
    The verdict on one request, given once it is known how the request ended, and its payload.

    Args:
        guards: What guards the request.

    Attributes:
        withheld: The spans that wait for it.
    """

    def __init__(self, guards: Guards) -> None:
        self.withheld = Withheld()
        self._guards = guards
        self._keeps_raw = switches.switch(RAW_ANSWERS, default=False, unknown=False)
        self._ran: set[int] = set()
        self._masked: tuple[Any, Any] | None = None
        self._payload: Texts | None = None
        self._is_expected = False
        self._originals: dict[str, str] = {}
        self._data: Mapping[str, Any] = {}
        self._root: SpanEnd | None = None
        self._place: RootEnd | None = None
        _guardrails.observe(guards.masking, note_masked)

    def expect(self, call_id: str, data: Mapping[str, Any]) -> None:
        """Have the payload of a call be this request's, of which LiteLLM has made this data."""
        self._is_expected = True
        self._data = data
        _known[call_id] = self

    def note_masked(self, callback: Any, answered: Any) -> None:
        """Note what a logging hook made of request and answer."""
        if not isinstance(answered, tuple):
            # LiteLLM goes on without it, and so do callbacks, with all that was said.
            return
        details, result = answered
        self._masked = (to_jsonable(details["messages"]), to_jsonable(result))
        self._ran.add(id(callback))

    def take(self, details: Mapping[str, Any]) -> None:
        """Take what LiteLLM logs of the call."""
        expected = self._guards.expected(details)
        if not expected:
            self._masked = None
            self._originals = _originals(details["litellm_params"], self._data)
            self._payload = Texts(
                _masked_again(details["standard_logging_object"], self._originals)
            )
        elif self._ran.issuperset(map(id, expected)):
            self._payload = Texts(self._masked)
        if self._root is not None:
            self.release()

    def end(self, root: SpanEnd, place: RootEnd) -> None:
        """Take the end of the request's own span, and give the verdict as soon as may be."""
        self._root, self._place = root, place
        # LiteLLM gives its callbacks nothing of a request that must not be logged.
        is_logged = self._is_expected and root.content > Content.NOTHING
        if root.failure is None and self._payload is None and is_logged:
            with guard("waiting for what LiteLLM logs"):
                asyncio.get_running_loop().call_later(WAIT_S, self.release)
                _waiting.add(self)
                return
        self.release()

    def record_late(self, record: Callable[[], None], verdict: Mapping[str, str]) -> None:
        """
        Record a guardrail that ran for logs, if the request still waits.

        Args:
            record: Makes a span below the current one.
            verdict: The worst verdict of the request's guardrails by its name.
        """
        root = self._root
        if root is None:
            return
        if root.request is not None:
            attributes = {**root.request.attributes, **verdict}
            tags = {**root.request.tags, **verdict}
            root.request = replace(root.request, attributes=attributes, tags=tags)
            root.tags_trace = True
        # In a context of its own, which need not be left.
        copy_context().run(_record_below, root, record)

    def release(self) -> None:
        """Write all spans by what is known now. Does nothing the second time."""
        _waiting.discard(self)
        root, self._root = self._root, None
        place, self._place = self._place, None
        if root is None or place is None:
            return
        self.withheld.release(self._decision(root, place))
        self._payload = self._masked = None
        self._data, self._originals = {}, {}
        place.on_release()

    def _decision(self, root: SpanEnd, place: RootEnd) -> Callable[[SpanEnd], None]:
        if root.failure is not None:
            return lambda end: self._decide_failed(end, place, is_root=end is root)
        if self._guards.unmasks:
            # Of what the client got, what the provider had said before masks were undone.
            ends = [end for end in self.withheld.waiting() if end is not root]
            said = Texts([end.response.outputs for end in ends if end.response is not None])
            return lambda end: self._decide(end, said)
        served = Texts(root.response and root.response.outputs)
        return lambda end: self._decide(end, None if end is root else served)

    def _decide_failed(self, end: SpanEnd, place: RootEnd, *, is_root: bool) -> None:
        if self._guards.masking:
            return
        end.content = Content.FULL
        if end.request is not None and not (place.is_composite and place.shows_error):
            end.request = request_of(end.request, Content.REDACTED)
        if end.failure is not None and not place.shows_error:
            end.failure = end.failure.without_text()
        keeps = place.shows_error and not self._guards.unmasks if is_root else self._keeps_raw
        if end.response is not None and not keeps:
            end.response = response_of(end.response, Content.REDACTED)

    def _decide(self, end: SpanEnd, shown: Texts | None) -> None:
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
            # The hook's answer lacks fields that are empty.
            if payload.only(outputs) != outputs:
                outputs = _masked_outputs(outputs, self._masked[1])
        elif shown is None:
            outputs = end.response.outputs
        elif self._keeps_raw and not self._guards.unmasks:
            return
        else:
            outputs = shown.only(_masked_again(end.response.outputs, self._originals))
        end.response = replace(end.response, outputs=payload.only(outputs))

    def _request(self, request: Request, payload: Texts) -> Request:
        inputs = request.inputs
        if self._masked is not None and "messages" in inputs:
            inputs = {**inputs, "messages": self._masked[0]}
        attributes = dict(request.attributes)
        if "metadata" in attributes:
            attributes["metadata"] = payload.only(attributes["metadata"])
        return replace(
            request,
            inputs=payload.only(inputs),
            tools=payload.only(request.tools),
            attributes=attributes,
            trace_metadata=payload.only(request.trace_metadata),
        )


class RootEnd:
    """
    Gives the end of a request's own span to the verdict on all spans of the request.

    Args:
        verdict: The verdict.
        on_release: Called after all spans have ended.
        is_routed: Whether the request came past the guards before the call.
        shows_error: Whether its error may be recorded, and not its type alone.
    """

    def __init__(
        self,
        verdict: Verdict,
        on_release: Callable[[], None],
        *,
        is_composite: bool,
        shows_error: bool,
    ) -> None:
        self._verdict = verdict
        self.on_release = on_release
        self.is_composite = is_composite
        self.shows_error = shows_error

    def hold(self, end: SpanEnd) -> None:
        """Take the end."""
        self._verdict.withheld.hold(end)
        self._verdict.end(end, self)


class Texts:
    """
    The texts of plain data.

    Args:
        data: What they stand in.
    """

    def __init__(self, data: Any) -> None:
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

    def only(self, data: Any) -> Any:
        """Return plain data with the texts alone that stand here too."""
        if isinstance(data, dict):
            return {key: self._field(key, value) for key, value in data.items()}
        if isinstance(data, list):
            return [self.only(item) for item in data]
        return _REDACTED if isinstance(data, str) and data not in self else data

    def _field(self, key: Any, value: Any) -> Any:
        is_short = isinstance(value, str) and len(value) <= _LONGEST_NO_CONTENT
        return value if is_short and key in _NO_CONTENT else self.only(value)


def _record_below(root: SpanEnd, record: Callable[[], None]) -> None:
    root.active().__enter__()
    record()


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
        if data[:1] in _OPENINGS:
            # What is passed through is logged as it was sent.
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
    """Return the masks by what they stand for, as LiteLLM's guardrails keep them in metadata."""
    found: dict[str, str] = {}
    for source, name in product(sources, ("metadata", "litellm_metadata")):
        tokens = (source.get(name) or {}).get("pii_tokens") or {}
        found.update({original: token for token, original in tokens.items() if original})
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def _masked_again(data: Any, originals: Mapping[str, str]) -> Any:
    """Return plain data with masks in the place of what was masked."""
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


def _masked_outputs(outputs: Any, masked: Any) -> Any:
    """Return an answer with the choices that a logging hook made of it."""
    if isinstance(outputs, dict) and isinstance(masked, dict):
        return {**outputs, **{key: masked[key] for key in _ANSWERS if key in masked}}
    return None


_ANSWERS = ("choices", "content", "output")


def note_masked(callback: Any, details: Any, answered: Any) -> None:
    """Note what a logging hook of LiteLLM's callbacks answered."""
    with guard("noting what a guardrail masked"):
        if (verdict := _known.get(details.get("litellm_call_id"))) is not None:
            verdict.note_masked(callback, answered)


def take(details: Mapping[str, Any]) -> None:
    """Take what LiteLLM logs of a call."""
    with guard("reading what LiteLLM logs"):
        call_id: Any = details.get("litellm_call_id")
        if (verdict := _known.get(call_id)) is not None:
            verdict.take(details)


def release_all() -> None:
    """Give all verdicts that wait for a payload, as the proxy stops."""
    for verdict in tuple(_waiting):
        with guard("ending a request as the proxy stops"):
            verdict.release()
