"""
Anthropic's messages.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import Any

from mlflow_litellm._payloads.chat_view.changes import as_text, attachment, each, replaced, within

_READ = frozenset({"text", "thinking", "tool_result", "tool_search_tool_result", "tool_use"})
_CALLS = frozenset({"mcp_tool_use", "server_tool_use"})
_SOURCES = frozenset({"base64", "url"})


def _messages(messages: list[Any]) -> list[Any]:
    return each(messages, _message)


def _message(message: dict[str, Any]) -> dict[str, Any]:
    is_list = isinstance(message.get("content"), list)
    return within(message, "content", _blocks) if is_list else message


def _blocks(blocks: list[Any]) -> list[Any]:
    return each(blocks, _block)


def _block(block: dict[str, Any]) -> dict[str, Any]:
    kind = block.get("type")
    if kind == "tool_result":
        return _result(block)
    if kind in _READ or (kind == "image" and _is_read(block.get("source"))):
        return block
    if kind in _CALLS:
        return replaced(block, type="tool_use")
    reference = attachment(block)
    if reference is None:
        return as_text(block)
    # The UI displays an attachment by its media type. The type of the block does not matter.
    return replaced(block, type="image", source={"type": "url", "url": reference})


def _result(block: dict[str, Any]) -> dict[str, Any]:
    if "content" not in block:
        return {**block, "content": ""}
    is_list = isinstance(block["content"], list)
    return within(block, "content", _blocks) if is_list else block


def _is_read(source: object) -> bool:
    return isinstance(source, dict) and source.get("type") in _SOURCES


REQUEST = {"messages": _messages}
RESPONSE = {"content": _blocks}
