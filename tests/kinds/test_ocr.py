"""OCR: the document, and its pages as text and images."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from attachments import content
from provider import PICTURE
from services import OCR, SECRET, assert_priced

from mlflow_litellm._payloads.kinds import table

if TYPE_CHECKING:
    from pathlib import Path

    from callers import Caller
    from traces import Traces

pytestmark = pytest.mark.skipif(not hasattr(litellm, "ocr"), reason="LiteLLM cannot read")
PDF = b"%PDF-1.4 " + bytes(5000)
PDF_URI = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"


def test_pages_are_recorded(tracing: Traces, caller: Caller) -> None:
    """The text is recorded unchanged, and the images as attachments; the caller gets all."""
    response = OCR.call(caller, include_image_base64=True)
    span = tracing.span()
    [page] = span.outputs["pages"]
    assert page["markdown"] == response.pages[0].markdown == "# Title\n\n![img-0.png](img-0.png)"
    assert page["dimensions"] == {"dpi": 200, "height": 2200, "width": 1700}
    assert content(page["images"][0]["image_base64"]) == ("image/png", PICTURE)
    assert response.pages[0].images[0].image_base64.startswith("data:image/png;base64,")
    assert span.inputs["include_image_base64"] is True


def test_pages_and_cost_are_recorded(tracing: Traces, caller: Caller) -> None:
    """OCR is priced by the page, without tokens."""
    response = OCR.call(caller)
    span = tracing.span()
    assert_priced(span, response)
    assert span.attributes["pages_processed"] == 1
    assert "mlflow.chat.tokenUsage" not in span.attributes


def test_address_of_a_document_loses_its_signature(tracing: Traces, caller: Caller) -> None:
    """The rest of the address stays, to distinguish documents."""
    OCR.call(caller)
    document = tracing.span().inputs["document"]
    assert document["document_url"] == "https://example.com/a.pdf?token=[REDACTED]"
    assert SECRET in OCR.arguments["document"]["document_url"]


def test_document_in_the_request_is_an_attachment(tracing: Traces, caller: Caller) -> None:
    """A document may have megabytes, and becomes an attachment."""
    OCR.call(caller, document={"type": "document_url", "document_url": PDF_URI})
    document = tracing.span().inputs["document"]
    assert content(document["document_url"]) == ("application/pdf", PDF)


def test_files_are_described(tracing: Traces, caller: Caller, tmp_path: Path) -> None:
    """Only LiteLLM reads the files."""
    path = tmp_path / "a.pdf"
    path.write_bytes(PDF)
    for file in (path, PDF, io.BytesIO(PDF)):
        OCR.call(caller, document={"type": "file", "file": file, "mime_type": "application/pdf"})
        assert caller.provider.requests[-1].body["document"]["document_url"] == PDF_URI
    recorded = [span.inputs["document"]["file"] for span in tracing.calls()]
    assert recorded == [{"filename": "a.pdf"}, {"size": len(PDF)}, {"size": len(PDF)}]


def test_picture_that_is_base64_alone_is_one_still() -> None:
    """Some providers return an image as base64 without a prefix."""
    picture = base64.b64encode(PICTURE).decode()
    page = {"index": 0, "markdown": "", "images": [{"image_base64": picture}]}
    told = table.OCR.parse_response({"pages": [page]}, {"model": "mistral/m"})
    [image] = told.outputs["pages"][0]["images"]
    assert image["image_base64"] == f"data:image/png;base64,{picture}"
    assert told.has_media


@pytest.mark.parametrize("response", [object(), {}, {"pages": None}, {"pages": [None]}])
def test_strange_answers_are_no_fault(response: Any) -> None:
    """A response of an unknown type is recorded without details, and raises nothing."""
    told = table.OCR.parse_response(response, {"model": "mistral/m"})
    assert not told.has_media
    assert "pages_processed" not in told.attributes


def test_strange_documents_are_no_fault() -> None:
    """A document of another type is recorded unchanged, and raises nothing."""
    assert table.OCR.request({"document": "a.pdf"}).inputs == {"document": "a.pdf"}
