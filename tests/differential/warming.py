"""Imports what first calls of each kind import, which otherwise each child would for itself."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import sys
from typing import Any

import litellm

from differential.programs import CLAUDE, GPT, deployments, provide, user, wire


def import_all(openai: str, anthropic: str) -> None:
    """Import it: a child finds out what, as calls leave threads, which no child would have."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        # What starts this process reads what it prints.
        os.dup2(2, 1)
        before = set(sys.modules)
        with contextlib.suppress(Exception):
            provide(openai, anthropic, "first")
            _call()
        with os.fdopen(writing, "w") as file:
            json.dump(sorted(set(sys.modules) - before), file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        names = json.load(file)
    os.waitpid(child, 0)
    for name in names:
        with contextlib.suppress(Exception), contextlib.redirect_stdout(sys.stderr):
            importlib.import_module(name)
    # Loads what tokens are counted with, as each child would for its first stream.
    for model in (GPT, CLAUDE):
        litellm.token_counter(model=model, text="hi")


def _call() -> None:
    for model in (GPT, CLAUDE):
        for is_streamed in (False, True):
            answer = litellm.completion(**wire("hi", model, stream=is_streamed))
            list(answer) if is_streamed else None
    with contextlib.suppress(litellm.RateLimitError):
        litellm.completion(**wire("/error 429 no"))
    router = litellm.Router(model_list=deployments("hi"))
    router.completion("m0", user("hi"))
    asyncio.run(_call_async(router))


async def _call_async(router: Any) -> None:
    await router.acompletion("m0", user("hi"))
    stream = await litellm.acompletion(**wire("hi", stream=True))
    assert [_ async for _ in stream]
    more = wire("")
    del more["messages"]
    for name, given in (
        ("aresponses", {"input": "hi"}),
        ("atext_completion", {"prompt": "hi"}),
        ("aembedding", {"input": ["hi"]}),
        ("anthropic_messages", {"messages": user("hi"), "max_tokens": 5}),
    ):
        with contextlib.suppress(Exception):
            await getattr(litellm, name)(**{**more, **given})
