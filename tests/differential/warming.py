"""Imports the modules for first calls of each kind, so that not each child imports them."""

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
    """Import the modules that a child process finds.

    The child makes calls, which leave threads that other children must not have.
    """
    reading, writing = os.pipe()
    if not (child := os.fork()):
        # The parent process reads the standard output of this process.
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
    # Loads the tokenizer, which otherwise each child loads for its first stream.
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
