"""A call of each kind that the UI should show, made against the loopback provider."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import litellm

if TYPE_CHECKING:
    from collections.abc import Callable

    from processes import Provider

KEY = {"api_key": "sk-very-secret"}
FUNCTION = {
    "name": "get_weather",
    "description": "Tell the weather of a place.",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
}
TOOLS = [{"type": "function", "function": FUNCTION}]
FLAT_TOOLS = [{"type": "function", **FUNCTION}]
BLOCK_TOOLS = [
    {
        "name": FUNCTION["name"],
        "description": FUNCTION["description"],
        "input_schema": FUNCTION["parameters"],
    }
]
CALLED = {"name": "get_weather", "arguments": '{"location": "Paris"}'}
WIDTH, HEIGHT = 240, 90
SPOKEN = {"role": "user", "content": "And tomorrow?"}
# A conversation with all roles that the UI supports.
CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How is the weather in Paris?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_9", "type": "function", "function": CALLED}],
    },
    {"role": "tool", "tool_call_id": "call_9", "content": "Sunny, 21 degrees."},
    SPOKEN,
]
# The same question, call, result and question in the formats of other APIs.
LOOP_OF_ITEMS: list[dict[str, Any]] = [
    CONVERSATION[1],
    {"type": "function_call", "call_id": "call_9", **CALLED},
    {"type": "function_call_output", "call_id": "call_9", "output": "Sunny, 21 degrees."},
    SPOKEN,
]
LOOP_OF_BLOCKS: list[dict[str, Any]] = [
    CONVERSATION[1],
    {
        "role": "assistant",
        "content": [
            {
                "type": "tool_use",
                "id": "call_9",
                "name": "get_weather",
                "input": {"location": "Paris"},
            }
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_9", "content": "Sunny, 21 degrees."},
            {"type": "text", "text": "And tomorrow?"},
        ],
    },
]
PART_TOOLS = [{"functionDeclarations": [FUNCTION]}]
RESULT = {"name": "get_weather", "response": {"result": "Sunny, 21 degrees."}}
LOOP_OF_PARTS: list[dict[str, Any]] = [
    {"role": "user", "parts": [{"text": "How is the weather in Paris?"}]},
    {
        "role": "model",
        "parts": [{"functionCall": {"name": "get_weather", "args": {"location": "Paris"}}}],
    },
    {"role": "user", "parts": [{"functionResponse": RESULT}, {"text": "And tomorrow?"}]},
]


def _chunk(kind: bytes, data: bytes) -> bytes:
    whole = kind + data
    return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))


def png() -> bytes:
    """Return a picture that a browser can show."""
    row = b"\0" + b"".join(bytes((30, 90 + x // 2, 200 - x // 2)) for x in range(WIDTH))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    # Not compressed, as a picture of a few bytes would not become an attachment.
    data = zlib.compress(row * HEIGHT, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, body) for kind, body in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    )


PICTURE = f"data:image/png;base64,{base64.b64encode(png()).decode('ascii')}"
PDF = f"data:application/pdf;base64,{base64.b64encode(b'%PDF-1.4' + bytes(3000)).decode('ascii')}"


def user(*parts: Any) -> list[dict[str, Any]]:
    """Return the messages of a user with a text, or with other content."""
    first, *rest = parts
    return [
        {"role": "user", "content": [{"type": "text", "text": first}, *rest] if rest else first}
    ]


def pictured() -> litellm.ModelResponse:
    """Return a chat completion with a picture, as image models return it."""
    images = [{"type": "image_url", "index": 0, "image_url": {"url": PICTURE}}]
    message = {"role": "assistant", "content": "Here you are.", "images": images}
    return litellm.ModelResponse(choices=[{"message": message, "finish_reason": "stop"}])


class Calls:
    """Calls each kind of function; a kind is the name of a method or of an entry."""

    def __init__(self, vendor: Provider) -> None:
        self.openai = {**KEY, "api_base": vendor.openai_base, "model": "openai/gpt-4o-mini"}
        self.vendor = {**KEY, "api_base": vendor.anthropic_base}
        self.base = {**KEY, "api_base": vendor.openai_base}

    def chat(self, messages: Any, **arguments: Any) -> Any:
        """Complete a chat, and read the response to its end if it streams."""
        response = litellm.completion(messages=messages, **{**self.openai, **arguments})
        return list(response) if arguments.get("stream") else response

    def responses(self, asked: Any, **arguments: Any) -> Any:
        """Call OpenAI's responses API."""
        return litellm.responses(input=asked, **self.openai, **arguments)

    def messages(self, messages: Any, **arguments: Any) -> Any:
        """Call Anthropic's messages API, which LiteLLM only has async."""
        model = {"model": "anthropic/claude-sonnet-4-5-20250929", "max_tokens": 100}
        asked = {**self.vendor, **model, "messages": messages, **arguments}
        # Playwright's loop runs in the tests' thread.
        with ThreadPoolExecutor(1) as elsewhere:
            return elsewhere.submit(
                lambda: asyncio.run(litellm.anthropic_messages(**asked))
            ).result()

    def gemini(self, *parts: Any, **arguments: Any) -> Any:
        """Call Gemini's own API."""
        return self.gemini_contents([{"role": "user", "parts": list(parts)}], **arguments)

    def gemini_contents(self, contents: list[dict[str, Any]], **arguments: Any) -> Any:
        """Call Gemini's own API with several contents."""
        known = {**KEY, "api_base": f"{self.vendor['api_base']}/v1beta"}
        model = "gemini/gemini-2.5-flash"
        ask = litellm.google_genai.generate_content
        return ask(model=model, contents=contents, **known, **arguments)

    def router(self, text: str) -> Any:
        """Make a Router call a deployment that fails, and then one that does not."""
        deployments = [
            {
                "model_name": "broken",
                "litellm_params": {**self.openai, "api_base": "http://127.0.0.1:9"},
            },
            {"model_name": "sound", "litellm_params": self.openai},
        ]
        fallbacks = [{"broken": ["sound"]}]
        router = litellm.Router(deployments, fallbacks=fallbacks, num_retries=0)
        return router.completion(model="broken", messages=user(text))

    def of_chat(self) -> dict[str, Callable[[], Any]]:
        """Return a function for each kind of call with messages in the UI."""
        picture = {"type": "image_url", "image_url": {"url": PICTURE}}
        file = {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}
        block = {"type": "base64", "media_type": "image/png", "data": PICTURE.partition(",")[2]}
        inline = {"mimeType": "image/png", "data": PICTURE.partition(",")[2]}
        shown = [
            {"type": "input_text", "text": "See?"},
            {"type": "input_image", "image_url": PICTURE},
        ]
        return {
            "conversation": lambda: self.chat(CONVERSATION, tools=TOOLS),
            "developer": lambda: self.chat(
                [{"role": "developer", "content": "Be very brief."}, *CONVERSATION[1:]]
            ),
            "tool calls": lambda: self.chat(user("/tools 2"), tools=TOOLS),
            "custom tool calls": lambda: self.chat(user("/shape custom-tools")),
            "reasoning": lambda: self.chat(user("/reason")),
            "stream": lambda: self.chat(user("/reason | So be it."), stream=True),
            "refusal": lambda: self.chat(user("/refuse")),
            "picture": lambda: self.chat(user("What is it?", picture)),
            "picture as a bare text": lambda: self.chat(
                user("What is it?", {**picture, "image_url": PICTURE})
            ),
            "file": lambda: self.chat(user("What is it?", file)),
            "answered picture": lambda: self.chat(user("Paint."), mock_response=pictured()),
            "responses": lambda: self.responses("Hello.", instructions="Be brief."),
            "responses tool calls": lambda: self.responses("/tools 2", tools=FLAT_TOOLS),
            "responses tool loop": lambda: self.responses(LOOP_OF_ITEMS, tools=FLAT_TOOLS),
            "responses reasoning": lambda: self.responses("/reason"),
            "responses refusal": lambda: self.responses("/refuse"),
            "responses picture": lambda: self.responses([{"role": "user", "content": shown}]),
            "messages": lambda: self.messages(user("Hello."), system="Be brief."),
            "messages tool calls": lambda: self.messages(user("/tools 2")),
            "messages tool loop": lambda: self.messages(LOOP_OF_BLOCKS, tools=BLOCK_TOOLS),
            "messages reasoning": lambda: self.messages(user("/reason")),
            "messages picture": lambda: self.messages(
                user("See?", {"type": "image", "source": block})
            ),
            "gemini": lambda: self.gemini({"text": "Hello."}),
            "gemini tool calls": lambda: self.gemini({"text": "/tools 2"}),
            "gemini tool loop": lambda: self.gemini_contents(LOOP_OF_PARTS, tools=PART_TOOLS),
            "gemini reasoning": lambda: self.gemini({"text": "/reason"}),
            "gemini picture": lambda: self.gemini({"text": "See?"}, {"inlineData": inline}),
            "router": lambda: self.router("Hello."),
            "error": lambda: self.chat(user("/error 400 broken")),
            "broken stream": lambda: self.chat(user("/event-error 2"), stream=True),
        }

    def of_others(self) -> dict[str, Callable[[], Any]]:
        """Return a function for each kind of call without messages."""
        document = {"type": "document_url", "document_url": "https://example.com/a.pdf"}
        talk = ("talk.wav", b"RIFF" + bytes(50))
        return {
            "text": lambda: litellm.text_completion(prompt="Once upon a time", **self.openai),
            "interaction": lambda: litellm.interactions.create(
                model="gemini/gemini-2.5-flash", input="Hello.", **self.vendor
            ),
            "embedding": lambda: litellm.embedding(
                model="openai/text-embedding-3-small", input=["one", "two"], **self.base
            ),
            "rerank": lambda: litellm.rerank(
                model="cohere/rerank-v3.5", query="which?", documents=["one", "two"], **self.vendor
            ),
            "moderation": lambda: litellm.moderation(
                model="omni-moderation-latest", input="a plan to attack", **self.base
            ),
            "image": lambda: litellm.image_generation(
                model="openai/gpt-image-1", prompt="a cat", **self.base
            ),
            "transcription": lambda: litellm.transcription(
                model="openai/whisper-1", file=talk, **self.base
            ),
            "speech": lambda: (
                litellm.speech(
                    model="openai/tts-1", input="Hello there.", voice="alloy", **self.base
                ).content
            ),
            "search": lambda: litellm.search(
                search_provider="tavily", query="tracing", **self.vendor
            ),
            "vector store": lambda: litellm.vector_stores.search(
                vector_store_id="vs_1", custom_llm_provider="openai", query="Paris", **self.base
            ),
            "ocr": lambda: litellm.ocr(
                model="mistral/mistral-ocr-latest", document=document, **self.base
            ),
        }
