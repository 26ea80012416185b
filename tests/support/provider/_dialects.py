"""The functions of each wire format, by the path of the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import _anthropic, _completions, _gemini, _openai, _responses
from ._scenarios import Event, Failure, Json, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Dialect:
    """Gather the functions of one wire format."""

    body: Callable[[Request, Response], Json]
    events: Callable[[Request, Response], Iterator[Event]]
    error_body: Callable[[Failure], Json]
    error_event: Callable[[Failure], Event]
    request: Callable[[str, Json], Request] = lambda _, body: Request(body)


OPENAI = Dialect(_openai.body, _openai.events, _openai.error_body, _openai.error_event)
ANTHROPIC = Dialect(
    _anthropic.body, _anthropic.events, _anthropic.error_body, _anthropic.error_event
)
RESPONSES, COMPLETIONS, GEMINI = (
    Dialect(kind.body, kind.events, kind.error_body, kind.error_event, kind.request)
    for kind in (_responses, _completions, _gemini)
)
DIALECTS = {
    "/v1/chat/completions": OPENAI,
    "/v1/completions": COMPLETIONS,
    "/v1/messages": ANTHROPIC,
    "/v1/responses": RESPONSES,
}


def dialect_of(path: str) -> Dialect | None:
    """Return the format of a path."""
    return GEMINI if path.endswith(_gemini.PATHS) else DIALECTS.get(path)
