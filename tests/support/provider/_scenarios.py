"""Turn the last user message of a request into a provider-neutral response."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ._shapes import SHAPES, Json, Shape

Finish = Literal["stop", "tool_calls", "refusal"]
Cut = Literal["break", "error", "hold", "hold-break"]
Quirk = Literal["choices", "empty", "late-model", "logprobs", "odd-tools", "usage-each"]

OPENAI_ONLY = frozenset({
    "/choices", "/cumulative-model", "/logprobs", "/shape", "/tools-odd", "/usage-each",
})  # fmt: skip


@dataclass(frozen=True)
class Command:
    """Hold one parsed message: a command, or plain text under the empty name."""

    name: str
    args: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def parse(cls, message: str) -> Command:
        """Split `/name arg arg | text`; take any other message as plain text."""
        if not message.startswith("/"):
            return cls("", text=message)
        head, _, text = message.partition("|")
        name, *args = head.split()
        return cls(name, tuple(args), text.removeprefix(" "))


@dataclass(frozen=True)
class ToolCall:
    """Hold one tool call, its JSON arguments cut in stream fragments."""

    id: str
    name: str
    arguments: Json
    fragments: tuple[str, ...]


@dataclass(frozen=True)
class Usage:
    """Count tokens; `fresh` are the prompt tokens that no cache served."""

    fresh: int
    completion: int
    cache_read: int = 0
    cache_written: int = 0


@dataclass(frozen=True)
class Interruption:
    """Specify the interruption of a stream after a number of content deltas."""

    kind: Cut
    after: int
    message: str = "scripted failure"


@dataclass(frozen=True)
class Response:
    """Hold a response that either wire format can render."""

    pieces: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    finish: Finish = "stop"
    refusal: str = ""
    usage: Usage | None = None
    quirk: Quirk | None = None
    hold: bool = False
    interruption: Interruption | None = None
    shape: Shape | None = None

    @property
    def text(self) -> str:
        """Return the whole text."""
        return "".join(self.pieces)

    @property
    def tokens(self) -> Usage:
        """Return the usage, which every scripted response has."""
        return self.usage or Usage(1, 1)


@dataclass(frozen=True)
class Failure:
    """Hold an HTTP error for a response."""

    status: int
    message: str = "scripted failure"


@dataclass(frozen=True)
class Event:
    """Hold one server-sent event, and whether it carries a content delta."""

    data: bytes
    content: bool = False


@dataclass(frozen=True)
class Request:
    """Read the fields of a request body that scenarios depend on."""

    body: Json

    @property
    def model(self) -> str:
        """Return the requested model."""
        return str(self.body.get("model", ""))

    @property
    def stream(self) -> bool:
        """Return whether a stream is requested."""
        return bool(self.body.get("stream"))

    @property
    def n(self) -> int:
        """Return the number of requested choices."""
        return int(self.body.get("n") or 1)

    @property
    def include_usage(self) -> bool:
        """Return whether an OpenAI stream should end with a usage chunk."""
        return bool((self.body.get("stream_options") or {}).get("include_usage"))

    @property
    def fields(self) -> list[str]:
        """Return the property names of the requested JSON schema, if there is one."""
        json_schema = (self.body.get("response_format") or {}).get("json_schema") or {}
        return list(json_schema.get("schema", {}).get("properties", ()))

    @property
    def forced(self) -> Json | None:
        """Return the function to call: the next one each turn, until one has a result."""
        choice, tools = self.body.get("tool_choice"), self.body.get("tools")
        messages = self.body.get("messages") or []
        if choice in (None, "auto", "none") or not tools or messages[-1]["role"] == "tool":
            return None
        # Anthropic's are not of the type "function".
        functions = [tool["function"] for tool in tools if "function" in tool]
        if not functions:
            return None
        if isinstance(choice, dict):
            return next(f for f in functions if f["name"] == choice["function"]["name"])
        turn = sum(message["role"] == "assistant" for message in messages)
        return functions[min(turn, len(functions) - 1)]

    @property
    def message(self) -> str:
        """Return the first text of the last user message that has one."""
        users = [m for m in self.body.get("messages", []) if m.get("role") == "user"]
        return next((t[0] for m in reversed(users) if (t := _texts(m.get("content")))), "")

    @property
    def words(self) -> int:
        """Count the words of the system prompt and all messages, at least 1."""
        messages = [{"content": self.body.get("system")}, *self.body.get("messages", [])]
        texts = (text for m in messages for text in _texts(m.get("content")))
        return max(1, sum(len(text.split()) for text in texts))


@dataclass
class Tally:
    """Count occurrences by key across threads."""

    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, key: str) -> int:
        """Count one more occurrence and return how many there are now."""
        with self._lock:
            self._counts[key] += 1
            return self._counts[key]


def scripted(request: Request, tally: Tally, *, openai: bool) -> Response | Failure:
    """Play the scenario of the request."""
    if not request.body.get("messages"):
        return Failure(400, "messages are missing")
    command = Command.parse(request.message)
    if not command.name and (implied := _implied(request)):
        return _counted(implied, request)
    script = SCRIPTS.get(command.name)
    if script is None:
        return Failure(400, f"unknown command: {command.name}")
    if command.name in OPENAI_ONLY and not openai:
        return Failure(400, f"command only for the OpenAI format: {command.name}")
    try:
        outcome = script(command, tally)
    except (LookupError, ValueError):
        return Failure(400, f"bad arguments: {command.name} {' '.join(command.args)}")
    return outcome if isinstance(outcome, Failure) else _counted(outcome, request)


def steps(events: Iterator[Event], cut: Interruption | None) -> Iterator[Event | Interruption]:
    """Put the interruption at its place among the events."""
    left = cut.after if cut else -1
    if cut and left == 0:
        yield cut
    for event in events:
        yield event
        left -= event.content
        if cut and event.content and left == 0:
            yield cut


def words(text: str) -> tuple[str, ...]:
    """Cut a text in word-sized deltas that join to the same text."""
    return tuple(re.findall(r"\s*\S+|\s+", text))


def _texts(content: object) -> list[str]:
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [str(p["text"]) for p in parts if isinstance(p, dict) and p.get("type") == "text"]


def _counted(answer: Response, request: Request) -> Response:
    said = answer.text or answer.refusal
    usage = answer.usage or Usage(request.words, max(1, len(said.split())))
    return replace(answer, usage=usage)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"w{i} " for i in range(count))


def _implied(request: Request) -> Response | None:
    """Return the response of the only form that the request allows."""
    if request.fields:
        return _structured(request)
    function = request.forced
    return _called(function) if function else None


def _structured(request: Request) -> Response:
    # The fields that judges request; "yes" is a verdict that every judge accepts.
    return Response(words(json.dumps(dict.fromkeys(request.fields, "yes"))))


def _called(function: Json) -> Response:
    arguments = dict.fromkeys(function["parameters"]["properties"], "yes")
    whole = json.dumps(arguments)
    call = ToolCall("call_1", function["name"], arguments, (whole[:5], whole[5:]))
    return Response(tool_calls=(call,), finish="tool_calls")


def _plain(command: Command, _: Tally) -> Response:
    return Response(words(f"You said: {command.text}"))


def _spoken(default: str, **fields: Any) -> Script:
    """Script a response with the command's text, or else the default."""
    return lambda command, _: Response(words(command.text or default), **fields)


def _tools(command: Command, _: Tally) -> Response:
    count = int(command.args[0]) if command.args else 1
    if not 1 <= count <= len(TOOL_CALLS):
        raise ValueError(count)
    return Response(tool_calls=TOOL_CALLS[:count], finish="tool_calls")


def _tools_odd(_: Command, __: Tally) -> Response:
    return Response(tool_calls=TOOL_CALLS[:1], finish="tool_calls", quirk="odd-tools")


def _refuse(command: Command, _: Tally) -> Response:
    return Response(finish="refusal", refusal=command.text or "I cannot help with that.")


def _error(command: Command, _: Tally) -> Failure:
    status, message = int(command.args[0]), " ".join(command.args[1:]) or command.text
    return Failure(status, message) if message else Failure(status)


def _flaky(command: Command, tally: Tally) -> Response | Failure:
    failures, key = int(command.args[0]), command.args[1]
    return Failure(500) if tally.next(key) <= failures else Response(words("recovered"))


def _broken_once(command: Command, tally: Tally) -> Response:
    cut = Interruption("break", 0, "") if tally.next(command.args[0]) == 1 else None
    return Response(words("recovered"), interruption=cut)


def _interrupted(kind: Cut) -> Script:
    def script(command: Command, _: Tally) -> Response:
        after, message = int(command.args[0]), " ".join(command.args[1:]) or "scripted failure"
        pieces = words(command.text) or _numbered(after + 3)
        return Response(pieces, interruption=Interruption(kind, min(after, len(pieces)), message))

    return script


def _long(command: Command, _: Tally) -> Response:
    return Response(_numbered(int(command.args[0])))


def _shaped(command: Command, _: Tally) -> Response:
    return Response(shape=SHAPES[command.args[0]])


def _empty(_: Command, __: Tally) -> Response:
    # OpenAI: no choices, or a stream of [DONE] alone; Anthropic: no content blocks.
    return Response(quirk="empty")


Script = Callable[[Command, Tally], Response | Failure]

CACHED = Usage(20, 5, cache_read=80, cache_written=4)

TOOL_CALLS = (
    ToolCall("call_1", "get_weather", {"location": "Paris"}, ('{"loc', 'ation": ', '"Paris"}')),
    ToolCall("call_2", "get_time", {"zone": "CET"}, ('{"zo', 'ne": "', 'CET"}')),
)

SCRIPTS: Mapping[str, Script] = {
    "": _plain,
    "/break": _interrupted("break"),
    "/break-once": _broken_once,
    "/cached": _spoken("served from the prompt cache", usage=CACHED),
    "/choices": _spoken("answer", quirk="choices"),
    "/cumulative-model": _spoken("the model comes late", quirk="late-model"),
    "/empty": _empty,
    "/error": _error,
    "/event-error": _interrupted("error"),
    "/flaky": _flaky,
    "/hold": _spoken("held", hold=True),
    "/hold-after": _interrupted("hold"),
    "/hold-break": _interrupted("hold-break"),
    "/logprobs": _spoken("quite probable", quirk="logprobs"),
    "/long": _long,
    "/reason": _spoken("The answer is 42.", reasoning=("Let me ", "think. ")),
    "/refuse": _refuse,
    "/say": _spoken(""),
    "/shape": _shaped,
    "/tools": _tools,
    "/tools-odd": _tools_odd,
    "/usage-each": _spoken("counted in every chunk", quirk="usage-each"),
}
