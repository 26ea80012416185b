"""Messages get the form that MLflow's UI shows, and no other data is lost."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_litellm._payloads import chat_view

REFERENCE = "mlflow-attachment://1?content_type=application%2Fpdf"
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TEXT = {"type": "text", "text": "Hello."}
PICTURE = {"type": "image_url", "image_url": {"url": REFERENCE, "detail": "low"}}
SOUND = {"type": "input_audio", "input_audio": {"data": REFERENCE, "format": "wav"}}

# By format: the key of the messages, and messages that the UI shows unchanged.
TAKEN: list[tuple[str, str, list[Any]]] = [
    ("openai", "messages", [{"role": "user", "content": "Hello."}]),
    ("openai", "messages", [{"role": "user", "content": [TEXT, PICTURE, SOUND]}]),
    ("openai", "messages", [{"role": "assistant", "content": None, "tool_calls": [CALL]}]),
    ("openai", "messages", [[{"role": "user", "content": "Hello."}]]),
    ("openai", "input", [{"role": "developer", "content": "Hello."}]),
    ("openai", "input", [{"type": "function_call_output", "call_id": "1", "output": "Sunny."}]),
    ("anthropic", "messages", [{"role": "user", "content": [TEXT]}]),
    ("gemini", "contents", [{"role": "user", "parts": [{"text": "Hello."}]}]),
    ("gemini", "contents", ["Hello."]),
]


def part(told: dict[str, Any], message_format: str = "openai") -> dict[str, Any]:
    """Return the recorded form of one part of a message."""
    message = {"role": "user", "content": [told]}
    return chat_view.inputs(message_format, {"messages": [message]})["messages"][0]["content"][0]


def message(told: dict[str, Any]) -> dict[str, Any]:
    """Return the recorded form of one message of a response."""
    return chat_view.outputs("openai", {"choices": [{"message": told}]})["choices"][0]["message"]


def item(told: dict[str, Any]) -> dict[str, Any]:
    """Return the recorded form of one item of a response."""
    return chat_view.outputs("openai", {"output": [told]})["output"][0]


@pytest.mark.parametrize(("message_format", "key", "items"), TAKEN)
def test_what_is_taken_is_the_very_object(message_format: str, key: str, items: list[Any]) -> None:
    """Messages that the UI shows are not copied."""
    inputs = {key: items, "model": "m"}
    assert chat_view.inputs(message_format, inputs) is inputs


@pytest.mark.parametrize("message_format", ["openai", "anthropic", "gemini"])
def test_fields_that_say_nothing_come_last(message_format: str) -> None:
    """The UI shows fields below the messages in their order; none is lost."""
    response = {"id": "1", "created": 2, "model": "m", "object": "o", "choices": [], "usage": {}}
    outputs = chat_view.outputs(message_format, response)
    assert outputs == response
    assert list(outputs) == ["model", "choices", "usage", "id", "object", "created"]


@pytest.mark.parametrize("told", [None, "text", {}, {"messages": None}, {"messages": "Hello."}])
@pytest.mark.parametrize("message_format", [None, "openai", "anthropic", "gemini", "other"])
def test_what_has_no_messages_is_left_alone(message_format: str | None, told: Any) -> None:
    """Data without messages is unchanged, such as hidden content."""
    assert chat_view.inputs(message_format, told) is told
    assert chat_view.outputs(message_format, told) is told


@pytest.mark.parametrize(("role", "known"), [("developer", "system"), ("function", "tool")])
def test_role_is_told_by_the_name_that_is_shown(role: str, known: str) -> None:
    """The role is one that the UI shows, beside the original one. Users' messages are unchanged."""
    sent = [{"role": role, "content": "Be brief."}, {"role": "user", "content": "Hello."}]
    first, second = chat_view.inputs("openai", {"messages": sent})["messages"]
    assert first == {"role": known, "content": "Be brief.", "original": {"role": role}}
    assert second is sent[1]
    assert sent[0] == {"role": role, "content": "Be brief."}


def test_attachment_of_any_part_is_shown() -> None:
    """An attachment in any part is shown, and the part's own fields are kept."""
    file = {"type": "file", "file": {"file_data": REFERENCE, "filename": "a.pdf"}}
    told = {**file, "type": "image_url", "image_url": {"url": REFERENCE}}
    assert part(file) == {**told, "original": {"type": "file"}}
    source = {"type": "base64", "data": REFERENCE}
    document = part({"type": "document", "source": source}, "anthropic")
    assert document["source"] == {"type": "url", "url": REFERENCE}
    assert document["original"] == {"type": "document", "source": source}


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"type": "refusal", "refusal": "No."}, "No."),
        ({"type": "thinking", "thinking": "Well."}, "Well."),
        ({"type": "file", "file": {"file_id": "file-1"}}, "[file: file-1]"),
        ({"type": "redacted_thinking", "data": "A" * 2000}, "[redacted_thinking]"),
        ({"type": "image_url", "image_url": {"file": 1}}, "[image_url]"),
    ],
)
def test_part_of_another_type_is_a_text(sent: dict[str, Any], text: str) -> None:
    """A part of another type becomes a text with its content, or else its type and name."""
    told = {**sent, "type": "text", "text": text, "original": {"type": sent["type"]}}
    assert part(sent) == told


def test_picture_is_given_as_the_ui_takes_it() -> None:
    """A picture has its URL in a dict, and a detail that the UI accepts."""
    assert part({"type": "image_url", "image_url": "https://a"})["image_url"] == {
        "url": "https://a"
    }
    told = part({"type": "image_url", "image_url": {"url": "https://a", "detail": "original"}})
    original = {"detail": "original"}
    assert told["image_url"] == {"url": "https://a", "detail": None, "original": original}


def test_tool_calls_have_what_the_ui_asks_for() -> None:
    """Each tool call has an id, a function name, and arguments as a text, as the UI requires."""
    custom = {"id": "1", "type": "custom", "custom": {"name": "run", "input": "1"}}
    local = {"id": None, "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    first, second = message({"role": "assistant", "tool_calls": [custom, local]})["tool_calls"]
    assert first == {**custom, "function": {"name": "run", "arguments": "1"}}
    assert (second["id"], second["original"]) == ("", {"id": None})
    assert second["function"]["arguments"] == '{"a": 1}'
    assert second["function"]["original"] == {"arguments": {"a": 1}}


def test_answer_is_shown_with_all_it_says() -> None:
    """A response is shown with its reasoning, refusal and pictures."""
    told = {"role": "assistant", "content": None, "reasoning_content": "Well."}
    assert message(told) == {**told, "reasoning": "Well."}
    told = {"role": "assistant", "content": None, "refusal": "No."}
    assert message(told) == {**told, "content": "No.", "original": {"content": None}}
    told = {"role": "assistant", "content": "Here.", "images": [PICTURE]}
    content = [{"type": "text", "text": "Here."}, PICTURE]
    assert message(told) == {**told, "content": content, "original": {"content": "Here."}}


def test_gemini_is_spelled_in_one_way() -> None:
    """Roles and parts of Gemini that the UI does not show are replaced by others."""
    parts = [
        {"functionCall": {"name": "f", "args": {}}},
        {"inlineData": {"mimeType": "image/png", "data": REFERENCE}},
        {"executableCode": {"code": "1 + 1"}},
    ]
    contents = [{"role": "function", "parts": parts}]
    [told] = chat_view.inputs("gemini", {"contents": contents})["contents"]
    assert (told["role"], told["original"]) == ("user", {"role": "function"})
    assert told["parts"] == [
        {"function_call": {"name": "f", "args": {}}},
        {"inline_data": {"mime_type": "image/png", "data": REFERENCE}},
        {"executableCode": {"code": "1 + 1"}, "text": "1 + 1"},
    ]


def test_items_of_a_providers_tools_are_calls() -> None:
    """Items of a provider's tools become calls, reasoning has a summary, and results are texts."""
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
    told = item(search)
    assert (told["type"], told["call_id"], told["name"]) == (
        "function_call", "ws_1", "web_search_call",
    )  # fmt: skip
    assert told["arguments"] == '{"status": "completed"}'
    assert told["original"]["type"] == "web_search_call"
    assert item({"id": "rs_1", "type": "reasoning"})["summary"] == []
    given = item({"type": "function_call_output", "call_id": "1", "output": [TEXT]})
    assert given["output"] == '[{"type": "text", "text": "Hello."}]'


def test_answered_part_of_a_response_makes_its_item_a_message() -> None:
    """A response part makes its item a message, as in the request of the next turn."""
    sent = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    told = chat_view.inputs("openai", {"input": [sent]})["input"][0]
    text = {"type": "output_text", "text": "No.", "refusal": "No.", "original": {"type": "refusal"}}
    assert told == {**sent, "type": "message", "content": [text]}


def test_calls_of_anthropics_own_tools_are_calls() -> None:
    """Calls of Anthropic's own tools become calls, and their results are texts."""
    call = {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}}
    assert part(call, "anthropic") == {
        **call, "type": "tool_use", "original": {"type": "server_tool_use"},
    }  # fmt: skip
    assert part({"type": "tool_result", "tool_use_id": "1"}, "anthropic")["content"] == ""
