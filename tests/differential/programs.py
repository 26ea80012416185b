"""The names that programs can use: short forms of users' code."""

# ruff: noqa: F401 - Programs, which are texts, use these names.

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import copy
import functools
import gc
import inspect
import itertools
import os
import pickle
import random
import signal
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import litellm
from litellm.integrations.custom_logger import CustomLogger

GPT = "openai/gpt-4o-mini"
CLAUDE = "anthropic/claude-sonnet-4-5-20250929"
_base: dict[str, str] = {}
KEY = ""


def provide(openai: str, anthropic: str, key: str) -> None:
    """Set the provider's addresses, and the part that makes this run's keys unique."""
    global KEY
    _base.update(openai=openai, anthropic=anthropic)
    KEY = key


def user(text: str) -> list[dict[str, Any]]:
    """Return the messages of one user's turn."""
    return [{"role": "user", "content": text}]


def wire(text: str, model: str = GPT, **more: Any) -> dict[str, Any]:
    """Return the arguments of a call to the provider on loopback."""
    base = _base["anthropic" if model.startswith("anthropic") else "openai"]
    known = {"model": model, "messages": user(text), "api_base": base, "api_key": "sk-none"}
    return {**known, "max_retries": 0, **more}


def mocked(text: str = "one two three", **more: Any) -> dict[str, Any]:
    """Return the arguments of a call with a mock response of LiteLLM."""
    return {"model": GPT, "messages": user("hi"), "mock_response": text, **more}


def deployments(*texts: str, **more: Any) -> list[dict[str, Any]]:
    """Return a Router's models ``m0``, ``m1``..., one for each mock response."""
    return [
        {
            "model_name": f"m{number}",
            "litellm_params": {
                **{k: v for k, v in wire("").items() if k != "messages"},
                "mock_response": text,
                **more,
            },
        }
        for number, text in enumerate(texts)
    ]


async def apiece(iterator: Any) -> Any:
    """Read one piece of a sync or async stream."""
    return await iterator.__anext__()


class Loud:
    """Replaces LiteLLM's callbacks by a function that prints its arguments."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def __call__(self, *args: Any) -> None:
        """Accept any callback's arguments."""
        self.heard.append([type(arg).__name__ for arg in args])


def read_some(stream: Any, most: int) -> list[Any]:
    """Read some pieces of a stream in a loop, and leave it."""
    pieces = []
    for piece in stream:
        pieces.append(piece)
        if len(pieces) == most:
            break
    return pieces


async def aread_some(stream: Any, most: int) -> list[Any]:
    """Read some pieces of an async stream in a loop, and leave it."""
    pieces = []
    async for piece in stream:
        pieces.append(piece)
        if len(pieces) == most:
            break
    return pieces


def texts(pieces: Any) -> str:
    """Concatenate the texts of a chat's chunks."""
    return "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)


def only(given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments without the messages."""
    return {key: value for key, value in given.items() if key != "messages"}


def without(given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments without messages and model."""
    return {key: value for key, value in only(given).items() if key != "model"}


def ROUTER() -> litellm.Router:  # noqa: N802 - A constant to the programs, made when it is needed.
    """Return a Router with a failing model that has a fallback."""
    bad = "litellm.RateLimitError"
    return litellm.Router(
        model_list=deployments("answer of m0", bad, "answer of m2"),
        fallbacks=[{"m1": ["m2"]}],
        num_retries=0,
    )


def Mine() -> Any:  # noqa: N802 - As a class is called; newer Routers refuse to have subclasses.
    """Return an object of a subclass with additional code before each call."""

    class Subclass(litellm.Router):
        def completion(self, *args: Any, **kwargs: Any) -> Any:
            return super().completion(*args, temperature=0.2, **kwargs)

        async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
            return await super().acompletion(*args, temperature=0.2, **kwargs)

    return Subclass(model_list=deployments("answer"))


class Provider(litellm.CustomLLM):
    """A user's provider that calls another model."""

    def completion(self, *args: Any, **kwargs: Any) -> Any:
        return litellm.completion(**mocked("of the other"))

    async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
        return await litellm.acompletion(**mocked("of the other"))

    def streaming(self, *args: Any, **kwargs: Any) -> Any:
        for number, text in enumerate(["a ", "b ", "c"]):
            yield _piece(text, is_last=number == 2)

    async def astreaming(self, *args: Any, **kwargs: Any) -> Any:
        for piece in self.streaming():
            yield piece


def _piece(text: str, *, is_last: bool) -> Any:
    return {
        "text": text, "is_finished": is_last, "finish_reason": "stop" if is_last else "",
        "index": 0, "tool_use": None, "usage": None,
    }  # fmt: skip


class Logger(CustomLogger):
    """A user's logger that changes its arguments."""

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        if isinstance(messages, list):
            messages.append({"role": "user", "content": "added by a logger"})
        kwargs["added"] = 1


def decorated(function: Any) -> Any:
    """Put a user's decorator on a function."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def inner(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)

        return inner

    @functools.wraps(function)
    def inner_sync(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner_sync


def raising(*_: object) -> None:
    """Raise as a signal handler that replaces the default."""
    msg = "by a signal"
    raise TimeoutError(msg)


TOOLS = [
    {
        "type": "function",
        "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
    }
]
mine: contextvars.ContextVar[str] = contextvars.ContextVar("mine", default="not set")
litellm.custom_provider_map = [{"provider": "mine", "custom_handler": Provider()}]
