"""Requests of the Responses API, read into turns."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from clawmatrix_model_proxy.convert.responses.codec import CODEC
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import (
    Audio,
    File,
    Image,
    NeutralRequest,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
HELLO = Turn("user", (Text("Hello"),))


def read(**fields: Any) -> NeutralRequest:
    return CODEC.read_request({"model": "m", "input": "Hello", **fields})


def turns(*items: dict[str, Any]) -> tuple[Turn, ...]:
    return read(input=list(items)).turns


def test_a_string_is_what_the_user_says() -> None:
    assert read() == NeutralRequest("responses", (HELLO,))


def test_instructions_are_the_developers_first_turn() -> None:
    request = read(instructions="Be brief.")
    assert request.turns == (Turn("developer", (Text("Be brief."),)), HELLO)
    assert CODEC.write_request(request, max_tokens=1)["instructions"] == "Be brief."


def test_what_one_side_says_in_a_row_is_one_turn() -> None:
    assert turns(
        {"role": "user", "content": "How is it?"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "phase": "commentary",
            "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "***"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "done"},
                {"type": "input_image", "image_url": PNG, "detail": "low"},
                {"type": "input_file", "file_url": "http://h/a.pdf"},
            ],
        },
        {"role": "assistant", "content": "Rain."},
    ) == (
        Turn("user", (Text("How is it?"),)),
        Turn(
            "assistant",
            (
                Reasoning(sealed="rs_1:gAAA", sealed_by="responses", id="rs_1"),
                Text("Let me see."),
                ToolCall("c1", "weather", "{}"),
                ToolCall("c2", "patch", "***", free=True),
            ),
        ),
        Turn(
            "tool",
            (
                ToolResult("c1", (Text("rain"),)),
                ToolResult(
                    "c2",
                    (Text("done"), Image(PNG, detail="low"), File("http://h/a.pdf")),
                    free=True,
                ),
            ),
        ),
        Turn("assistant", (Text("Rain."),)),
    )


def test_parts_of_a_users_message_are_read() -> None:
    content = [
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "image_url": PNG, "detail": "auto"},
        {"type": "input_image", "file_id": "file_1", "detail": "high"},
        {"type": "input_file", "file_data": PDF, "filename": "a.pdf"},
        {"type": "input_file", "file_data": "JVBERi0=", "filename": "a.pdf"},
        {"type": "input_file", "file_id": "file_2"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    assert turns({"role": "user", "content": content})[0].parts == (
        Text("See"),
        Image(PNG),
        Image(file_id="file_1", detail="high"),
        File(PDF, name="a.pdf"),
        File(PDF, name="a.pdf"),
        File(file_id="file_2"),
        Audio("AAAA", "wav"),
    )


def test_thoughts_of_another_maker_come_back_as_they_were() -> None:
    items: list[dict[str, Any]] = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": kept}
        for kept in ("clawmatrix.messages.c2ln", "clawmatrix.messages.redacted.ZGF0YQ==")
    ]
    assert turns(*items)[0].parts == (
        Reasoning(sealed="c2ln", sealed_by="messages", id="rs_1"),
        Reasoning(sealed="ZGF0YQ==", sealed_by="messages", redacted=True, id="rs_1"),
    )


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("named", ("f",))),
        ({"type": "custom", "name": "g"}, ToolChoice("named", ("g",))),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "g"}]},
            ToolChoice("auto", ("g",)),
        ),
    ],
)
def test_every_choice_of_tools_is_kept(given: Any, choice: ToolChoice) -> None:
    request = read(tool_choice=given, tools=[{"type": "custom", "name": "g"}])
    assert request.tool_choice == choice
    assert CODEC.write_request(request, max_tokens=1)["tool_choice"] == given


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ({"type": "text"}, ResponseFormat("text")),
        ({"type": "json_object"}, ResponseFormat("json")),
        (
            {"type": "json_schema", "name": "n", "schema": {}},
            ResponseFormat("schema", {}, "n"),
        ),
    ],
)
def test_every_shape_of_answers_is_kept(given: dict[str, Any], form: ResponseFormat) -> None:
    request = read(text={"format": given})
    assert request.format == form
    assert CODEC.write_request(request, max_tokens=1)["text"] == {"format": given}


FUNCTION = {"type": "function", "name": "f"}
SPACE: dict[str, Any] = {"type": "namespace", "name": "n", "tools": [FUNCTION]}


def heard(part: dict[str, Any]) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [part]}]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 7}, "input"),
        ({"input": ["Hello"]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0]"),
        ({"input": [{"type": {}}]}, "input[0]"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_video"}]}]},
            "input[0].content[0]",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": 7}]}]},
            "input[0].content[0].text",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0]",
        ),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_image"}]}]},
            "input[0].content[0]",
        ),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "namespace": 1}]}, "input[0].namespace"),
        ({"input": [{"type": "function_call", "caller": {"type": "program"}}]}, "input[0].caller"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": "reasoning", "summary": [{"type": "x"}]}]}, "input[0].summary[0]"),
        ({"tools": [FUNCTION, {"type": "web_search"}]}, "tools[1]"),
        ({"tools": [{**FUNCTION, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [{**SPACE, "tools": [SPACE]}]}, "tools[0].tools[0]"),
        ({"tools": [{**SPACE, "more": 1}]}, "tools[0].more"),
        ({"tools": [{**FUNCTION, "parameters": []}]}, "tools[0].parameters"),
        ({"tools": [{**FUNCTION, "strict": "yes"}]}, "tools[0].strict"),
        ({"tools": [{"type": "custom", "name": "g", "format": {"type": "x"}}]}, "tools[0].format"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"tool_choice": 7}, "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}},
            "tool_choice.tools[0]",
        ),
        ({"include": ["file_search_call.results"]}, "include[0]"),
        ({"include": [[]]}, "include[0]"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"text": {"format": {"type": "text", "x": 1}}}, "text.format.x"),
        ({"text": {"tone": "dry"}}, "text.tone"),
        ({"text": "x"}, "text"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
        ({"instructions": ["x"]}, "instructions"),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
        ({"stream_options": 7}, "stream_options"),
        ({"max_output_tokens": "9"}, "max_output_tokens"),
        ({"store": "yes"}, "store"),
        ({"service_tier": 1}, "service_tier"),
        ({"reasoning": {"effort": 1}}, "reasoning.effort"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_what_no_other_api_carries_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Unsupported) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{**FUNCTION, "defer_loading": False, "async": False, "output_schema": None}]},
        {"reasoning": {"context": "auto", "mode": "standard"}},
        {"text": {"format": None}},
        {"metadata": None, "tools": None, "include": None, "instructions": None},
    ],
)
def test_what_asks_for_nothing_is_no_error(fields: dict[str, Any]) -> None:
    assert attrs.evolve(read(**fields), tools=()) == NeutralRequest("responses", (HELLO,))


def test_of_a_streams_options_the_one_about_padding_is_kept() -> None:
    options = {"include_obfuscation": False, "include_usage": True}
    assert read(stream=True, stream_options=options).settings == {
        "stream_options": {"include_obfuscation": False}
    }
    assert read(stream_options=options).settings == {}


def test_logprobs_that_are_not_included_are_not_asked_for() -> None:
    assert read(top_logprobs=5).settings == {}
    assert read(top_logprobs=5, include=["message.output_text.logprobs"]).settings == {
        "logprobs": True,
        "top_logprobs": 5,
    }
