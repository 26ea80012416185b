"""Merges the pieces of one field of a streamed response."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from typing import Any

from mlflow_litellm._common.interruptions import let_through

# Lists that LiteLLM sends as a whole each time they grow.
_SNAPSHOTS = frozenset({
    "code_interpreter_results", "compaction_blocks", "tool_results", "web_search_calls",
    "web_search_results",
})  # fmt: skip
_THINKING = frozenset({"redacted_thinking", "thinking"})
# Keys whose values each piece repeats, rather than continues.
_REPEATED = frozenset({"expires_at", "format", "id", "index", "mime_type", "role", "type"})


def fields(model: Any) -> dict[str, Any]:
    """Return a pydantic object's fields and extras, including None; a dict as it is."""
    if model is None or isinstance(model, dict):
        return model or {}
    return {**vars(model), **(model.model_extra or {})}


def merged(parts: list[Any]) -> Any:
    """Concatenate texts and lists, and merge dicts by key; of other values, keep the last."""
    parts = [part for part in parts if part is not None]
    if not parts:
        return None
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    if all(isinstance(part, list) for part in parts):
        return _merge_blocks([item for part in parts for item in part])
    if all(isinstance(part, dict) for part in parts):
        return {key: _merge_entry(key, values) for key, values in _by_key(parts).items()}
    return parts[-1]


def _by_key(parts: list[dict[Any, Any]]) -> dict[Any, list[Any]]:
    """Return, for each key, the values of dicts that are not None, in their order."""
    values: dict[Any, list[Any]] = defaultdict(list)
    for part in parts:
        for key, value in part.items():
            collected = values[key]
            if value is not None:
                collected.append(value)
    return values


def merge_provider_fields(parts: list[Any]) -> Any:
    """Merge provider-specific fields: flags and names are repeated, citations come one by one."""
    dicts = [part for part in parts if isinstance(part, dict)]
    parsed = _by_key(dicts)
    cited = parsed.pop("citation", None)
    fields = {key: _merge_field(key, values) for key, values in parsed.items() if values}
    # Without streaming, LiteLLM has these citations here, in one list for each block of text.
    return {**fields, "citations": [cited]} if cited else fields


def _merge_field(key: str, values: list[Any]) -> Any:
    goes_on = isinstance(values[-1], (dict, list)) and key not in _SNAPSHOTS
    return merged(values) if goes_on else values[-1]


def _merge_entry(key: str, parts: list[Any]) -> Any:
    if key in _REPEATED:
        return next((part for part in reversed(parts) if part is not None), None)
    return _merge_base64(parts) if key == "data" else merged(parts)


def _merge_base64(parts: list[Any]) -> Any:
    """Merge pieces of audio; each piece is a base64 text with its own padding."""
    try:
        data = b"".join(base64.b64decode(part, validate=True) for part in parts if part)
    except (binascii.Error, TypeError, ValueError) as error:
        let_through(error)
        return merged(parts)
    return base64.b64encode(data).decode("ascii")


def _merge_blocks(blocks: list[Any]) -> list[Any]:
    """Return the items of a list; the pieces of a thinking block are merged."""
    groups: list[list[Any]] = []
    for block in blocks:
        if groups and _goes_on(groups[-1][-1], block):
            groups[-1].append(block)
        else:
            groups.append([block])
    return [_whole(_merge_block(group) if len(group) > 1 else group[0]) for group in groups]


def _merge_block(pieces: list[dict[str, Any]]) -> Any:
    *before, last = pieces
    parsed = "".join(piece.get("thinking") or "" for piece in before)
    if last.get("signature") and parsed and last.get("thinking") == parsed:
        # Some versions of LiteLLM repeat the whole thinking in the piece with the signature.
        return {**merged(before), **last}
    return merged(pieces)


def _whole(block: Any) -> Any:
    # LiteLLM adds the index of a thinking block, and only in chunks.
    is_numbered = isinstance(block, dict) and block.get("type") in _THINKING and "index" in block
    return {key: block[key] for key in block if key != "index"} if is_numbered else block


def _goes_on(before: object, now: object) -> bool:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return False
    kind = before.get("type")
    if kind != now.get("type"):
        return False
    if kind == "thinking":
        # The last piece of Anthropic's block has the signature.
        return not before.get("signature") and before.get("index") == now.get("index")
    # https://openrouter.ai/docs/use-cases/reasoning-tokens
    is_reasoning = isinstance(kind, str) and kind.startswith("reasoning.")
    return is_reasoning and before.get("index") == now.get("index")
