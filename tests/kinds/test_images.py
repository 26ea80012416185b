"""Image generation: prompts, and images as attachments."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import pytest
from attachments import content
from provider import PICTURE
from services import IMAGE_EDIT, IMAGE_GENERATION, IMAGE_VARIATION, PNG, Service, assert_priced

from mlflow_litellm._payloads.kinds.table import IMAGES

if TYPE_CHECKING:
    from pathlib import Path

    from callers import Caller
    from traces import Traces

CLEANED = "https://blobs.example.com/picture.png?se=2026&sig=[REDACTED]"


@pytest.mark.parametrize("service", [IMAGE_GENERATION, IMAGE_EDIT], ids=["made", "changed"])
def test_picture_is_an_attachment(service: Service, tracing: Traces, caller: Caller) -> None:
    """The caller gets the whole image."""
    response = service.call(caller)
    [picture] = tracing.span().outputs["data"]
    assert content(picture["b64_json"]) == ("image/png", PICTURE)
    assert base64.b64decode(response.data[0].b64_json) == PICTURE


@pytest.mark.parametrize("service", [IMAGE_GENERATION, IMAGE_EDIT], ids=["made", "changed"])
def test_tokens_and_cost_are_litellms_own(
    service: Service, tracing: Traces, caller: Caller
) -> None:
    """The tokens of text and of images are counted together."""
    response = service.call(caller)
    span = tracing.span()
    assert_priced(span, response)
    assert span.attributes["mlflow.chat.tokenUsage"] == {
        "input_tokens": 50,
        "output_tokens": 50,
        "total_tokens": 100,
    }


def test_parameters_are_recorded(tracing: Traces, caller: Caller) -> None:
    """The request's parameters and the provider's values for them are recorded."""
    given = {"n": 1, "size": "1024x1024", "quality": "low", "user": "ada"}
    IMAGE_GENERATION.call(caller, **given)
    span = tracing.span()
    assert span.inputs == {**IMAGE_GENERATION.arguments, **given}
    assert span.outputs["size"] == "1024x1024"
    assert span.outputs["quality"] == "low"


@pytest.mark.parametrize(
    ("service", "model"), [(IMAGE_GENERATION, "openai/dall-e-3"), (IMAGE_VARIATION, None)]
)
def test_address_of_a_picture_loses_its_signature(
    service: Service, model: str | None, tracing: Traces, caller: Caller
) -> None:
    """LiteLLM's zeros for tokens that were not counted are omitted."""
    response = service.call(caller, **({"model": model} if model else {}))
    span = tracing.span()
    assert span.outputs["data"] == [{"revised_prompt": "revised", "url": CLEANED}]
    assert "very-secret" in response.data[0].url
    assert "usage" not in span.outputs
    assert "mlflow.chat.tokenUsage" not in span.attributes


def test_given_picture_is_an_attachment(tracing: Traces, caller: Caller) -> None:
    """The span has the image's size, and the type that its first bytes show."""
    IMAGE_EDIT.call(caller)
    image = tracing.span().inputs["image"]
    assert content(image["content"]) == ("image/png", PNG)
    assert image["size"] == len(PNG)


def test_open_file_is_not_read(tracing: Traces, caller: Caller, tmp_path: Path) -> None:
    """LiteLLM sends the whole file, and the trace has only its name."""
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        IMAGE_EDIT.call(caller, image=[file])
    assert PNG in caller.provider.requests[-1].raw
    assert tracing.span().inputs["image"] == [{"filename": "cat.png"}]


class Unread(io.BytesIO):
    """A file in which every read and seek fails."""

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError

    read = read1 = readinto = readline = seek = getvalue = _refuse  # type: ignore[assignment]


@pytest.mark.parametrize("name", ["image", "mask"])
def test_file_in_memory_is_not_read(name: str) -> None:
    """The size is available without reading."""
    told = IMAGES.request({name: Unread(PNG)})
    assert told.inputs == {name: {"size": len(PNG)}}


@pytest.mark.parametrize(
    ("file", "recorded"),
    [
        (
            ("cat.png", Unread(PNG), "image/png"),
            {"filename": "cat.png", "content_type": "image/png", "size": len(PNG)},
        ),
        (("cat.png", None), {"filename": "cat.png"}),
        ((), []),
        (bytearray(b"123"), {"size": 3}),
        (object(), "<builtins.object>"),
        ("https://host/cat.png?sig=secret", "https://host/cat.png?sig=[REDACTED]"),
        ({"url": "https://host/?sig=secret"}, {"url": "https://host/?sig=[REDACTED]"}),
    ],
)
def test_files_of_many_kinds_are_described(file: Any, recorded: Any) -> None:
    """The files have the types that OpenAI's client and other providers accept."""
    assert IMAGES.request({"image": file}).inputs == {"image": recorded}


def test_closed_file_is_described(tmp_path: Path) -> None:
    """A closed file is recorded by its type, without an error."""
    file = io.BytesIO(PNG)
    file.close()
    assert IMAGES.request({"image": file}).inputs == {"image": "<_io.BytesIO>"}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF0000WEBP", "image/webp"),
        (b"what", "application/octet-stream"),
    ],
)
def test_type_of_a_picture_is_told_by_its_first_bytes(head: bytes, kind: str) -> None:
    """Responses do not name the type of an image."""
    picture = base64.b64encode(head + bytes(50)).decode()
    told = IMAGES.parse_response({"data": [{"b64_json": picture}]}, {"model": "openai/m"})
    assert told.outputs["data"] == [{"b64_json": f"data:{kind};base64,{picture}"}]


@pytest.mark.parametrize("picture", ["", "no base64!", "data:image/png;base64,?"])
def test_what_is_no_picture_is_described(picture: str) -> None:
    """A proxy may return any text."""
    told = IMAGES.parse_response({"data": [{"b64_json": picture}]}, {"model": "openai/m"})
    assert len(told.outputs["data"][0]["b64_json"]) < 100


def test_answer_that_is_no_response_is_plain_data() -> None:
    """A response of an unknown type is recorded by its type."""
    assert IMAGES.parse_response(object(), {"model": "openai/m"}).outputs == "<builtins.object>"
