"""How the kinds of call without streams read their arguments and their responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._common import attributes as names
from mlflow_litellm._payloads import endpoint
from mlflow_litellm._payloads.containers import dicts
from mlflow_litellm._payloads.files import bytes_uri, described, picture_uri
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.kind import to_body, usage_of
from mlflow_litellm._payloads.media import redact_data
from mlflow_litellm._payloads.secrets import redact_named_secrets
from mlflow_litellm._payloads.serialize import number, to_jsonable
from mlflow_litellm._payloads.usage import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Response

# The limit for one document, in characters: a vector store may hold whole files.
_LONGEST_DOCUMENT = 10_000


def rerank_usage(outputs: dict[str, Any]) -> Any:
    """Return the counts of a ranking: providers that bill by tokens have them in ``meta``."""
    meta = outputs.get("meta")
    if not isinstance(meta, dict):
        return usage_of(outputs)
    return next((meta[key] for key in ("tokens", "billed_units") if tokens(meta.get(key))), None)


def search_provider(arguments: Mapping[str, Any]) -> str | None:
    """Return the provider of a web search."""
    return arguments.get("search_provider")


def read_search(parsed: Response, _: object) -> None:
    """
    Turn the results of a web search into the documents of a retriever.

    https://mlflow.org/docs/latest/genai/concepts/span/#retriever-spans
    """
    results = dicts(redact_data(parsed.outputs.get("results")))
    parsed.outputs = [_document(each.pop("snippet", None), each, "url") for each in results]


def read_vector_store_search(parsed: Response, _: object) -> None:
    """Turn the results of a search of a vector store into the documents of a retriever."""
    results = dicts(redact_data(parsed.outputs.get("data")))
    parsed.outputs = [
        _document(_joined(each.pop("content", None)), each, "filename") for each in results
    ]


def _document(text: object, metadata: dict[str, Any], uri_key: str) -> dict[str, Any]:
    if uri := metadata.pop(uri_key, None):
        metadata["doc_uri"] = uri
    return {"page_content": text, "metadata": metadata}


def _joined(content: object) -> str:
    text = "\n".join(filter(None, (part.get("text") for part in dicts(content))))
    more = len(text) - _LONGEST_DOCUMENT
    return f"{text[:_LONGEST_DOCUMENT]}… <{more} more characters>" if more > 0 else text


def moderation_provider(arguments: Mapping[str, Any]) -> str:
    """Return the provider of a moderation: LiteLLM has a default."""
    return endpoint.named_provider(arguments) or "openai"


def read_moderation(parsed: Response, _: object) -> None:
    """Record whether any input was flagged."""
    if results := dicts(parsed.outputs.get("results")):
        parsed.attributes[names.FLAGGED] = any(result.get("flagged") for result in results)


def read_images(parsed: Response, _: object) -> None:
    """Turn the pictures of a response into data URIs."""
    outputs = parsed.outputs
    parsed.has_media = bool(outputs.get("data"))
    outputs["data"] = [_redact_image(image) for image in dicts(outputs.get("data"))]
    drop_empty_usage(parsed, _)


def _redact_image(image: dict[str, Any]) -> dict[str, Any]:
    content = image.pop("b64_json", None)
    parsed: dict[str, Any] = redact_data(image)
    return {**parsed, "b64_json": picture_uri(content)} if isinstance(content, str) else parsed


def drop_empty_usage(parsed: Response, _: object) -> None:
    """Drop the usage from the outputs if it is 0: LiteLLM fills that in if there is no count."""
    if _is_empty(parsed.outputs.get("usage")):
        parsed.outputs.pop("usage", None)


def _is_empty(usage: object) -> bool:
    return all(map(_is_empty, usage.values())) if isinstance(usage, dict) else not usage


def document(value: Any) -> Any:
    """Return the document of an OCR call: an address, or a file, which is not read."""
    recorded = to_jsonable(value)
    if not isinstance(recorded, dict):
        return recorded
    # Addresses keep their query, which may name the document.
    addresses = {key: item for key, item in recorded.items() if key.endswith("_url")}
    redacted: dict[str, Any] = redact_data({**redact_named_secrets(recorded), **addresses})
    return {**redacted, "file": described(value["file"])} if "file" in recorded else redacted


def is_dict(value: object) -> bool:
    """Return whether a value is a dict."""
    return isinstance(value, dict)


def read_ocr(parsed: Response, _: object) -> None:
    """Turn the pictures of pages into data URIs, and record the number of pages."""
    for page in dicts(parsed.outputs.get("pages")):
        for image in dicts(page.get("images")):
            if isinstance(content := image.get("image_base64"), str):
                image["image_base64"] = picture_uri(content)
                parsed.has_media = True
    pages = (parsed.outputs.get("usage_info") or {}).get("pages_processed")
    if type(pages) is int:
        parsed.attributes[names.PAGES_PROCESSED] = pages


def audio_outputs(response: object) -> Any:
    """Return a transcription, or speech as a data URI."""
    speech = _speech(response)
    return to_body(response) if speech is None else _recording(speech)


def read_audio(parsed: Response, response: object) -> None:
    """Record the length of a transcribed recording in seconds: as reported, billed or measured."""
    parsed.has_media = _speech(response) is not None
    usage = parsed.outputs.get("usage")
    values = (
        parsed.outputs.get("duration"),
        usage.get("seconds") if isinstance(usage, dict) else None,
        read_hidden_params(response).get("audio_transcription_duration"),
    )
    seconds = next((value for value in values if number(value) is not None), None)
    if seconds is not None and not parsed.has_media:
        parsed.attributes[names.AUDIO_SECONDS] = seconds


def _speech(response: object) -> Any:
    import httpx

    carrier = getattr(response, "response", None)
    return carrier if isinstance(carrier, httpx.Response) else None


def _recording(carrier: Any) -> dict[str, Any]:
    """Return a recording if it has been read; only the caller may read it from the network."""
    import httpx

    kind = str(carrier.headers.get("content-type") or "").partition(";")[0]
    parsed: dict[str, Any] = {"content_type": kind} if kind else {}
    try:
        content = carrier.content
    except httpx.ResponseNotRead:
        return parsed
    parsed["size"] = len(content)
    return {**parsed, "audio": bytes_uri(kind or "audio/mpeg", content)} if content else parsed
