"""
How embeddings read their input and their vectors.

Only the size and the first numbers of a vector are recorded: a vector may have thousands of
numbers, and a response may have thousands of vectors.
https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._common import attributes as names
from mlflow_litellm._payloads.arguments import recorded
from mlflow_litellm._payloads.containers import from_numpy
from mlflow_litellm._payloads.kind import Argument, to_body
from mlflow_litellm._payloads.media import redact_data
from mlflow_litellm._payloads.serialize import items, number, to_jsonable

if TYPE_CHECKING:
    from mlflow_litellm._payloads.base import Response

_MOST = 10
_HEAD = 5
_MARKS = ("data:", "http://", "https://", "gs://", "s3://")


def _read_input(value: object) -> Any:
    """Return the input; lists of tokens, which mean nothing to a reader, become their counts."""
    return recorded("input", _counted(items(value) or value))


def _counted(inputs: object) -> Any:
    if not isinstance(inputs, list) or not inputs:
        return inputs
    if type(from_numpy(inputs[0])) is int:
        return f"<{len(inputs)} tokens>"
    return [_counted(items(item) or item) for item in inputs]


def _is_media(inputs: object) -> bool:
    return any(
        isinstance(item, dict) or (isinstance(item, str) and item.startswith(_MARKS))
        for item in (inputs if isinstance(inputs, list) else [inputs])
    )


INPUT = Argument(_read_input, _is_media, redact_data)


def outputs(response: Any) -> Any:
    """Return an ``EmbeddingResponse`` with descriptions of its first vectors."""
    if (vectors := _vectors(response)) is None:
        return to_body(response)
    # Without the vectors: to copy a hundred of them takes milliseconds.
    parsed: dict[str, Any] = to_jsonable(
        response.model_dump(exclude={"data"}, exclude_none=True, warnings=False)
    )
    parsed["data"] = [_entry(vector) for vector in vectors[:_MOST]]
    if (more := len(vectors) - _MOST) > 0:
        parsed["data"].append(f"<{more} more>")
    return parsed


def read_response(parsed: Response, response: object) -> None:
    """Record the number of vectors, and their dimension."""
    if vectors := _vectors(response):
        parsed.attributes[names.EMBEDDING_COUNT] = len(vectors)
        first = _of(vectors[0], "embedding")
        if isinstance(first, list):
            parsed.attributes[names.EMBEDDING_DIMENSION] = len(first)


def _vectors(response: object) -> list[Any] | None:
    vectors = getattr(response, "data", None)
    return vectors if isinstance(vectors, list) else None


def _entry(entry: object) -> Any:
    values = {"object": _of(entry, "object"), "index": _of(entry, "index")}
    parsed = {key: to_jsonable(value) for key, value in values.items() if value is not None}
    return {**parsed, "embedding": _described(_of(entry, "embedding"))}


def _described(vector: object) -> Any:
    if isinstance(vector, str):
        return f"<base64: {len(vector)} characters>"
    if not isinstance(vector, list):
        return to_jsonable(vector)
    # Some providers give a vector for each token.
    head = [value for value in vector[:_HEAD] if number(value) is not None]
    return {"dimension": len(vector), "head": to_jsonable(head)}


def _of(entry: object, name: str) -> Any:
    """Return a field of an entry, which is a dict or an ``Embedding``."""
    return entry.get(name) if isinstance(entry, dict) else getattr(entry, name, None)
