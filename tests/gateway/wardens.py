"""Callbacks of a proxy's operator: guardrails that follow a request's text, and a log."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.integrations.custom_logger import CustomLogger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The text of a request that is to be masked, and the provider's response to "/cached".
GIVEN = re.compile(r"given-[0-9a-f]+")
MADE = re.compile("served|from|the prompt|prompt|cache")
PAYLOADS = Path("payloads.jsonl")


class Log(CustomLogger):
    """Writes LiteLLM's payloads for callbacks to a file."""

    async def async_log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        """Write a payload."""
        self._write(kwargs)

    async def async_log_failure_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        """Write a payload."""
        self._write(kwargs)

    def _write(self, kwargs: Any) -> None:
        line = [kwargs.get("litellm_call_id"), kwargs.get("standard_logging_object")]
        with PAYLOADS.open("a") as file:
            file.write(json.dumps(line, default=str) + "\n")


def masked(value: Any, pattern: re.Pattern[str]) -> Any:
    """Return data with each match of a pattern masked; objects are changed in place."""
    if isinstance(value, str):
        return pattern.sub("MASKED", value)
    if isinstance(value, bytes):
        return masked(value.decode(), pattern).encode()
    if isinstance(value, list):
        return [masked(item, pattern) for item in value]
    if isinstance(value, dict):
        return {key: masked(item, pattern) for key, item in value.items()}
    if hasattr(value, "model_fields_set"):
        for fields in (value.__dict__, value.__pydantic_extra__ or {}):
            fields.update({name: masked(item, pattern) for name, item in fields.items()})
    return value


def act(name: str, data: Any, value: Any, pattern: re.Pattern[str]) -> Any:
    """Do the action that the request names for this callback: mask, block, raise, nothing."""
    asked = str(data.get("messages") or data.get("input"))
    if name not in asked:
        return value
    if "BLOCK" in asked:
        raise HTTPException(400, "a warden says no")
    if "RAISE" in asked:
        message = f"a warden is broken by {value} {asked}"
        raise ValueError(message)
    return masked(value, pattern) if "MASK" in asked else value


async def act_on_log(name: str, kwargs: Any, result: Any) -> Any:
    """Do the action that the request's text names for the logged data."""
    asked = str(kwargs.get("messages"))
    if name in asked and "NONSENSE" in asked:
        return None
    if name in asked and "HANG" in asked:
        await asyncio.Event().wait()
    logged = {**kwargs, "messages": act(name, kwargs, kwargs["messages"], GIVEN)}
    return logged, act(name, kwargs, result, MADE)


class Logger(CustomLogger):
    """Not a guardrail: changes the logged data by the hook that any callback may have."""

    async def async_logging_hook(self, kwargs: Any, result: Any, call_type: str) -> Any:
        """Act on the logged data."""
        return await act_on_log("logger", kwargs, result)


class Warden(CustomGuardrail):
    """Does the action in the request's text: ``MASK``, ``BLOCK`` or ``RAISE``; else nothing."""

    def _act(self, data: Any, value: Any, pattern: re.Pattern[str]) -> Any:
        return act(str(self.guardrail_name), data, value, pattern)

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any
    ) -> Any:
        """Act on the request."""
        name = "messages" if "messages" in data else "input"
        data[name] = self._act(data, data[name], GIVEN)
        return data

    async def async_moderation_hook(self, data: Any, user_api_key_dict: Any, call_type: Any) -> Any:
        """Act on the request during the call; it can no longer be changed."""
        self._act(data, "", GIVEN)

    async def async_post_call_success_hook(
        self, data: Any, user_api_key_dict: Any, response: Any
    ) -> Any:
        """Act on the response."""
        return self._act(data, response, MADE)

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: Any
    ) -> AsyncIterator[Any]:
        """Act on a stream."""
        async for chunk in response:
            yield self._act(request_data, chunk, MADE)

    async def async_logging_hook(self, kwargs: Any, result: Any, call_type: str) -> Any:
        """Act on the logged data."""
        return await act_on_log(str(self.guardrail_name), kwargs, result)


log = Log()
logger = Logger()
