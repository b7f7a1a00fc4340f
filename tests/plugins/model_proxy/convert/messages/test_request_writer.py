"""Requests of other APIs, as the Messages API takes them."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.convert.messages.codec import CODEC
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import (
    Audio,
    File,
    Image,
    NeutralRequest,
    Part,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from tests.plugins.model_proxy.convert.messages.messages_sdk import check_request

HI = Turn("user", (Text("Hi"),))


def write(*turns: Turn, api: str = "chat", **request: Any) -> dict[str, Any]:
    """Write a request, which must be one of the SDK's types."""
    body = CODEC.write_request(NeutralRequest(api, turns or (HI,), **request), max_tokens=4096)
    check_request(body)
    return body


def messages(*turns: Turn, **request: Any) -> Any:
    """Return the messages that turns become."""
    return write(*turns, **request)["messages"]


def said(*parts: Part) -> Any:
    """Return the content that the parts of a user's turn become."""
    [message] = messages(Turn("user", parts))
    return message["content"]


def test_a_limit_is_given_where_the_request_has_none() -> None:
    assert write() == {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4096}
    assert write(settings={"max_tokens": 5})["max_tokens"] == 5


def test_leading_words_of_the_system_are_joined_and_stay_apart() -> None:
    body = write(
        Turn("system", (Text("A"),)),
        Turn("developer", (Text("B"),)),
        HI,
        Turn("developer", (Text("C"),)),
    )
    assert body["system"] == [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "C"},
    ]
    assert write(Turn("system", (Text("A"),)), HI)["system"] == "A"


def test_sides_alternate_and_results_come_first() -> None:
    calls = (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "f", " "))
    assert messages(
        HI,
        HI,
        Turn("assistant", (Text("One"),)),
        Turn("assistant", calls),
        Turn("user", (Text("Wait"),)),
        Turn("tool", (ToolResult("a", (Text("1"),)),)),
        Turn("tool", (ToolResult("b", (Text("2"), Text("3")), failed=True),)),
        Turn("user", (Text("So?"),)),
    ) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}] * 2},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "One"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "content": [{"type": "text", "text": "2"}, {"type": "text", "text": "3"}],
                    "is_error": True,
                },
                {"type": "text", "text": "Wait"},
                {"type": "text", "text": "So?"},
            ],
        },
    ]


def test_turns_with_nothing_in_them_are_left_out() -> None:
    empty = Turn("assistant", (Text(""), Reasoning("I think")))
    assert messages(HI, empty, HI) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}] * 2}
    ]


def test_white_space_that_the_api_refuses_is_left_out() -> None:
    blank = Turn("assistant", (Text("\n\n"), ToolCall("a", "f", "{}")))
    result = Turn("tool", (ToolResult("a", (Text(" "),)),))
    goes_on = Turn("assistant", (Text("Once upon \n"),))
    assert messages(HI, blank, result, goes_on)[1:] == [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]},
        {"role": "assistant", "content": "Once upon"},
    ]


def test_only_thoughts_that_a_messages_upstream_sealed_are_sent_to_one() -> None:
    parts = (
        Reasoning("A", sealed="sig", sealed_by="messages"),
        Reasoning("B"),
        Reasoning(summary=("C",), sealed="cipher", sealed_by="responses"),
        Reasoning(sealed="data", sealed_by="messages", redacted=True),
        Reasoning(summary=("D", "E"), sealed="sig", sealed_by="messages"),
        Refusal("No."),
    )
    _, message = messages(HI, Turn("assistant", parts))
    assert message["content"] == [
        {"type": "thinking", "thinking": "A", "signature": "sig"},
        {"type": "redacted_thinking", "data": "data"},
        {"type": "thinking", "thinking": "D\n\nE", "signature": "sig"},
        {"type": "text", "text": "No."},
    ]


def test_images() -> None:
    held, spelled, linked = said(
        Image("data:image/png;base64,AAAA", detail="low"),
        Image("data:IMAGE/JPG;name=a.jpg;base64,AAAA"),
        Image("https://example.com/a"),
    )
    assert held["source"] == {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    assert spelled["source"]["media_type"] == "image/jpeg"
    assert linked == {"type": "image", "source": {"type": "url", "url": "https://example.com/a"}}


def test_documents() -> None:
    pdf, plain, table, linked, text = said(
        File("data:application/pdf;base64,AAAA", name="a.pdf"),
        File("data:text/plain;base64,w6Q="),
        File("data:text/csv;base64,YSxi"),
        File("https://example.com/a.pdf"),
        File(text="Words", name="Notes"),
    )
    source = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    assert pdf == {"type": "document", "source": source, "title": "a.pdf"}
    assert plain["source"] == {"type": "text", "media_type": "text/plain", "data": "ä"}
    assert table["source"]["data"] == "a,b"
    assert linked["source"] == {"type": "url", "url": "https://example.com/a.pdf"}
    assert (text["source"]["data"], text["title"]) == ("Words", "Notes")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Audio("AAAA", "wav"), "sound (wav)"),
        (Image("data:image/tiff;base64,AAAA"), "'image/tiff'"),
        (Image("data:image/png,AAAA"), "base64"),
        (Image("ftp://example.com/a"), "neither a web address"),
        (Image(file_id="file-abc"), "another API keeps"),
        (File(file_id="file-abc"), "another API keeps"),
        (File("data:application/zip;base64,AAAA"), "'application/zip'"),
        (File("data:text/plain;base64,/w=="), "not text in UTF-8"),
        (File("data:text/plain;base64,!"), "not text in UTF-8"),
        (ToolCall("a", "sh", "ls", free=True), "'sh' with text"),
        (ToolCall("a", "f", "[1]"), "not a JSON object"),
        (ToolCall("a", "f", '{"x":'), "not a JSON object"),
        (ToolResult("a", (), free=True), "a call with text"),
    ],
)
def test_parts_that_it_has_no_place_for_are_refused(part: Part, message: str) -> None:
    for api, param in (("chat", "messages"), ("responses", "input")):
        request = NeutralRequest(api, (HI, Turn("user", (part,))))
        with pytest.raises(Unsupported) as refused:
            CODEC.write_request(request, max_tokens=1)
        assert refused.value.param == param
        assert message in str(refused.value)


def test_a_conversation_in_which_nobody_speaks_is_refused() -> None:
    with pytest.raises(Unsupported, match="something that a user said"):
        write(Turn("system", (Text("A"),)))


F = Tool("f", "It", {"properties": {"x": {}}}, strict=True)
G = Tool("g")


def test_tools_have_a_schema_of_an_object() -> None:
    assert write(tools=(F, G))["tools"] == [
        {
            "name": "f",
            "description": "It",
            "input_schema": {"type": "object", "properties": {"x": {}}},
            "strict": True,
        },
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("required"), True, {"type": "any", "disable_parallel_tool_use": False}),
        (
            ToolChoice("named", ("f",)),
            False,
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
        (ToolChoice("required", ("f",)), None, {"type": "tool", "name": "f"}),
        (ToolChoice("none"), False, {"type": "none"}),
    ],
)
def test_choices_of_tools(
    choice: ToolChoice | None, parallel: bool | None, written: dict[str, Any] | None
) -> None:
    assert write(tools=(F,), tool_choice=choice, parallel=parallel).get("tool_choice") == written


def test_choices_without_tools_are_left_out_where_they_say_nothing() -> None:
    assert "tool_choice" not in write(tool_choice=ToolChoice("none"), parallel=False)


@pytest.mark.parametrize(
    ("effort", "config", "thinking"),
    [
        ("minimal", {"effort": "low"}, {"type": "adaptive"}),
        ("low", {"effort": "low"}, {"type": "adaptive"}),
        ("max", {"effort": "max"}, {"type": "adaptive"}),
        ("none", None, {"type": "disabled"}),
    ],
)
def test_effort(effort: str, config: dict[str, Any] | None, thinking: dict[str, Any]) -> None:
    body = write(settings={"effort": effort})
    assert (body.get("output_config"), body["thinking"]) == (config, thinking)


def test_settings_of_other_apis() -> None:
    body = write(
        stream=True,
        format=ResponseFormat("schema", {"type": "object"}, "person", strict=True),
        settings={
            "effort": "high",
            "stop": "END",
            "service_tier": "default",
            "user": "ann",
            "n": 1,
            "store": True,
            "metadata": {"a": "b"},
            "stream_options": {"include_usage": True},
        },
    )
    assert body == {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 4096,
        "stop_sequences": ["END"],
        "service_tier": "standard_only",
        "output_config": {
            "format": {"type": "json_schema", "schema": {"type": "object"}},
            "effort": "high",
        },
        "thinking": {"type": "adaptive"},
        "metadata": {"user_id": "ann"},
        "stream": True,
    }


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (NeutralRequest("chat", (HI,), settings={"logprobs": True}, strict=True), "logprobs"),
        (NeutralRequest("chat", (HI,), settings={"n": 2}), "n"),
        (NeutralRequest("chat", (HI,), settings={"seed": 1}, strict=True), "seed"),
        (NeutralRequest("chat", (HI,), settings={"audio": {"voice": "alloy"}}), "audio"),
        (NeutralRequest("chat", (HI,), settings={"service_tier": "flex"}), "service_tier"),
        (NeutralRequest("chat", (HI,), settings={"effort": "huge"}), "reasoning_effort"),
        (NeutralRequest("responses", (HI,), settings={"effort": "huge"}), "reasoning.effort"),
        (NeutralRequest("responses", (HI,), settings={"effort": 3}), "reasoning.effort"),
        (
            NeutralRequest("responses", (HI,), settings={"previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
        (NeutralRequest("chat", (HI,), format=ResponseFormat("json")), "response_format"),
        (NeutralRequest("responses", (HI,), format=ResponseFormat("json")), "text.format"),
        (NeutralRequest("responses", (HI,), tools=(Tool("sh", free=True),)), "tools[0]"),
        (NeutralRequest("chat", (HI,), tool_choice=ToolChoice("required")), "tool_choice"),
        (
            NeutralRequest("chat", (HI,), tools=(F, G), tool_choice=ToolChoice("auto", ("f",))),
            "tool_choice",
        ),
    ],
)
def test_settings_that_it_has_no_place_for_are_refused_by_the_clients_own_name(
    request_: NeutralRequest, param: str
) -> None:
    with pytest.raises(Unsupported) as refused:
        CODEC.write_request(request_, max_tokens=1)
    assert refused.value.param == param


def test_what_is_written_shares_nothing_with_the_request() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    request = NeutralRequest(
        "chat", (HI,), (Tool("f", parameters=schema),), format=ResponseFormat("json", schema)
    )
    body = CODEC.write_request(request, max_tokens=1)
    body["tools"][0]["input_schema"]["properties"]["x"] = {}
    body["output_config"]["format"]["schema"]["title"] = "x"
    assert schema == {"type": "object", "properties": {}}
