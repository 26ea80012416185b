"""Guardrails of the proxy under test; each runs if a request names it."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import HTTPException
from litellm.integrations.custom_guardrail import CustomGuardrail

EMAIL = "jane.doe@example.com"
FORBIDDEN = "xylophone"


class Masking(CustomGuardrail):
    """Masks an address in the request or the response, and counts the masked addresses."""

    async def apply_guardrail(
        self, inputs: Any, request_data: Any, input_type: Any, logging_obj: Any = None
    ) -> Any:
        """Return the texts without the address."""
        texts = inputs.get("texts") or []
        self.add_standard_logging_guardrail_information_to_request_data(
            guardrail_json_response=[{"text": text} for text in texts],
            request_data=request_data,
            guardrail_status="success",
            duration=0.25,
            masked_entity_count={"EMAIL_ADDRESS": sum(EMAIL in text for text in texts)},
        )
        return {**inputs, "texts": [text.replace(EMAIL, "<EMAIL_ADDRESS>") for text in texts]}


class Blocking(CustomGuardrail):
    """Blocks a text with a certain word in it."""

    async def apply_guardrail(
        self, inputs: Any, request_data: Any, input_type: Any, logging_obj: Any = None
    ) -> Any:
        """Refuse texts that have the word."""
        if any(FORBIDDEN in text for text in inputs.get("texts") or []):
            raise HTTPException(400, {"error": f"No {FORBIDDEN} here"})
        return inputs


class Failing(CustomGuardrail):
    """Has a service that is down."""

    async def apply_guardrail(
        self, inputs: Any, request_data: Any, input_type: Any, logging_obj: Any = None
    ) -> Any:
        """Fail to give a verdict."""
        message = "the guardrail's service is down"
        raise RuntimeError(message)


class Interrupting(CustomGuardrail):
    """Records nothing itself, and blocks a request after the model has been called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._asked: asyncio.Event | None = None

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        """Note that the model is called."""
        if self._asked is not None:
            self._asked.set()

    async def async_moderation_hook(self, data: Any, user_api_key_dict: Any, call_type: Any) -> Any:
        """Wait for the call of the model, and refuse."""
        self._asked = asyncio.Event()
        await self._asked.wait()
        raise HTTPException(400, {"error": "Too late"})


class Quiet(CustomGuardrail):
    """Passes a stream on, and ends it without an error when the provider breaks it."""

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: Any
    ) -> Any:
        """Yield the received chunks as if they were the whole stream."""
        try:
            async for chunk in response:
                yield chunk
        except Exception:
            return


def entry(name: str, kind: type[CustomGuardrail], mode: str) -> dict[str, Any]:
    """Return an entry of a configuration's guardrails."""
    return {
        "guardrail_name": name,
        "litellm_params": {"guardrail": f"custom_guardrails.{kind.__name__}", "mode": mode},
    }


GUARDRAILS = [
    *(
        entry(f"masking-{mode}", Masking, mode)
        for mode in ("pre_call", "post_call", "logging_only")
    ),
    *(
        entry(f"blocking-{mode}", Blocking, mode)
        for mode in ("pre_call", "during_call", "post_call")
    ),
    entry("failing", Failing, "pre_call"),
    entry("quiet", Quiet, "post_call"),
    entry("interrupting", Interrupting, "during_call"),
]
