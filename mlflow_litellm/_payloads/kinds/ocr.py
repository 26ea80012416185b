"""
OCR, text from documents: ``litellm.ocr`` and ``aocr``.

The shapes are Mistral's, which LiteLLM keeps for every provider:
https://docs.mistral.ai/api/#tag/ocr
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_litellm._payloads import request_attributes
from mlflow_litellm._payloads.files import described, picture_uri
from mlflow_litellm._payloads.hidden_params import read_hidden_params
from mlflow_litellm._payloads.media import dicts, redact_data
from mlflow_litellm._payloads.response_attributes import failure, make_response, set_response_cost
from mlflow_litellm._payloads.secrets import redact_named_secrets
from mlflow_litellm._payloads.serialize import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_litellm._payloads.base import Request, Response

__all__ = ["RECORDED", "failure", "parse_response", "request"]

# https://docs.litellm.ai/docs/ocr
RECORDED = frozenset({
    "bbox_annotation_format", "document", "document_annotation_format", "extract_footer",
    "extract_header", "fallbacks", "image_limit", "image_min_size", "include_image_base64",
    "model", "num_retries", "pages", "req_format", "table_format", "user",
})  # fmt: skip


def request(arguments: Mapping[str, Any]) -> Request:
    """Return a call's request: the allowed arguments, without secrets. Files are not read."""
    parsed = request_attributes.request(arguments, RECORDED)
    document = parsed.inputs.get("document")
    if isinstance(document, dict):
        parsed.has_media = True
        # Addresses keep their query, which may name the document.
        kept = {key: value for key, value in document.items() if key.endswith("_url")}
        parsed.inputs["document"] = redact_data({**redact_named_secrets(document), **kept})
        if "file" in document:
            parsed.inputs["document"]["file"] = described(arguments["document"]["file"])
    return parsed


def parse_response(response: Any, arguments: Mapping[str, Any]) -> Response:
    """Return a parsed ``OCRResponse``; other responses become JSON types."""
    outputs = to_jsonable(response)
    parsed = make_response(outputs, read_hidden_params(response), arguments)
    if isinstance(outputs, dict):
        for page in dicts(outputs.get("pages")):
            parsed.has_media = _clean_pictures(page) or parsed.has_media
        pages = (outputs.get("usage_info") or {}).get("pages_processed")
        if type(pages) is int:
            parsed.attributes["pages_processed"] = pages
    set_response_cost(parsed, response, arguments)
    return parsed


def _clean_pictures(page: dict[str, Any]) -> bool:
    """Turn the pictures of a page into data URIs, and return whether the page has any."""
    has_pictures = False
    for image in dicts(page.get("images")):
        if isinstance(content := image.get("image_base64"), str):
            image["image_base64"] = picture_uri(content)
            has_pictures = True
    return has_pictures
