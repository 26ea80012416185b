"""
Embeddings: ``litellm.embedding`` and ``aembedding``.

Only the size and the first numbers of a vector are recorded: a vector may have thousands of
numbers, and a response may have thousands of vectors.
https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.containers import from_numpy, items
from mlflow_litellm._payloads.hidden_params import number, read_hidden_params
from mlflow_litellm._payloads.media import redact_data
from mlflow_litellm._payloads.response_attributes import failure, make_response, set_response_cost
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "failure", "parse_response", "request"]

# https://docs.litellm.ai/docs/embedding/supported_embedding
RECORDED = frozenset({
    "additional_drop_params", "allowed_openai_params", "caching", "dimensions", "drop_params",
    "encoding_format", "fallbacks", "input", "input_type", "model", "num_retries", "output_dtype",
    "task", "task_type", "title", "truncate", "truncation", "user",
})  # fmt: skip

_MOST = 10
_HEAD = 5
_MARKS = ("data:", "http://", "https://", "gs://", "s3://")


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request; lists of tokens are replaced by their counts."""
    inputs = arguments.get("input")
    if (input_items := items(inputs)) is not None:
        inputs = input_items
    parsed = request_attributes.request({**arguments, "input": _counted(inputs)}, RECORDED)
    recorded = parsed.inputs.get("input")
    if any(_is_media(item) for item in (recorded if isinstance(recorded, list) else [recorded])):
        parsed.has_media = True
        parsed.inputs["input"] = redact_data(recorded)
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``EmbeddingResponse``; other responses become JSON types."""
    vectors = getattr(response, "data", None)
    outputs = _outputs(response, vectors) if isinstance(vectors, list) else to_jsonable(response)
    parsed = make_response(outputs, read_hidden_params(response), arguments)
    if isinstance(vectors, list) and vectors:
        parsed.attributes.update(_counts(vectors))
    set_response_cost(parsed, response, arguments)
    return parsed


def _counted(inputs: Any) -> Any:
    """Return inputs; lists of tokens, which mean nothing to a reader, are replaced by counts."""
    if not isinstance(inputs, list) or not inputs:
        return inputs
    if type(from_numpy(inputs[0])) is int:
        return f"<{len(inputs)} tokens>"
    return [_counted(items(item) or item) for item in inputs]


def _is_media(item: Any) -> bool:
    return isinstance(item, dict) or (isinstance(item, str) and item.startswith(_MARKS))


def _outputs(response: Any, vectors: list[Any]) -> dict[str, Any]:
    # Without the vectors: to copy a hundred of them takes milliseconds.
    outputs: dict[str, Any] = to_jsonable(
        response.model_dump(exclude={"data"}, exclude_none=True, warnings=False)
    )
    outputs["data"] = [_entry(vector) for vector in vectors[:_MOST]]
    if (more := len(vectors) - _MOST) > 0:
        outputs["data"].append(f"<{more} more>")
    return outputs


def _entry(entry: Any) -> Any:
    values = {"object": _of(entry, "object"), "index": _of(entry, "index")}
    parsed = {key: to_jsonable(value) for key, value in values.items() if value is not None}
    return {**parsed, "embedding": _described(_of(entry, "embedding"))}


def _described(vector: Any) -> Any:
    if isinstance(vector, str):
        return f"<base64: {len(vector)} characters>"
    if not isinstance(vector, list):
        return to_jsonable(vector)
    # Some providers give a vector for each token.
    head = [value for value in vector[:_HEAD] if number(value) is not None]
    return {"dimension": len(vector), "head": to_jsonable(head)}


def _counts(vectors: list[Any]) -> dict[str, int]:
    first = _of(vectors[0], "embedding")
    counts = {"embedding_count": len(vectors)}
    return {**counts, "embedding_dimension": len(first)} if isinstance(first, list) else counts


def _of(entry: Any, name: str) -> Any:
    """Return a field of an entry, which is a dict or an ``Embedding``."""
    return entry.get(name) if isinstance(entry, dict) else getattr(entry, name, None)
