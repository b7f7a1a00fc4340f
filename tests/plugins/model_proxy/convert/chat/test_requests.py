"""Requests of chat completions, read and written."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import (
    Audio,
    File,
    Image,
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
from tests.plugins.model_proxy.convert.chat.chat_corpus import CHAT, REQUESTS, asked
from tests.plugins.model_proxy.convert.work import calls_in

HI = {"role": "user", "content": "Hi"}


def read(**body: Any) -> Any:
    return CHAT.read_request({"model": "x", "messages": [HI], **body})


def written(*turns: Turn, **more: Any) -> Any:
    return CHAT.write_request(asked(*turns, **more), max_tokens=1)


def messages(*turns: Turn, **more: Any) -> Any:
    return written(*turns, **more)["messages"]


# --- read


def test_a_conversation_with_tools_is_read() -> None:
    request = CHAT.read_request(REQUESTS["tool_loop"])
    paris = ToolCall("call_A", "get_weather", '{"city":"Paris"}')
    rome = ToolCall("call_B", "get_weather", '{"city":"Rome"}')
    assert request.turns == (
        Turn("user", (Text("Weather in Paris and Rome?"),)),
        Turn("assistant", (paris, rome)),
        Turn("tool", (ToolResult("call_A", (Text("18 °C"),)),)),
        Turn("tool", (ToolResult("call_B", (Text("25"), Text("°C"))),)),
        Turn(
            "assistant", (Text("Shall I check the time too?"), ToolCall("call_C", "get_time", "{}"))
        ),
        Turn("tool", (ToolResult("call_C", ()),)),
    )
    assert [tool.name for tool in request.tools] == ["get_weather", "get_time"]
    assert request.tools[0].strict is True
    assert request.tool_choice == ToolChoice("auto")
    assert request.parallel is True


def test_every_kind_of_part_is_read() -> None:
    [pictures] = CHAT.read_request(REQUESTS["images"]).turns
    assert pictures.parts == (
        Text("What differs?"),
        Image("https://example.org/a.png", detail="low"),
        Image("data:image/png;base64,iVBORw0KGgo="),
    )
    [files] = CHAT.read_request(REQUESTS["files_and_audio"]).turns
    assert files.parts == (
        File("data:application/pdf;base64,JVBERi0=", name="report.pdf"),
        File(file_id="file-6F2ksmvXxt4VdoqmHRw6kL"),
        Audio("UklGRg==", "wav"),
        Text("Summarise all three."),
    )


def test_roles_names_and_refusals_are_read() -> None:
    turns = CHAT.read_request(REQUESTS["roles"]).turns
    assert [(turn.role, turn.name) for turn in turns] == [
        ("system", None),
        ("developer", "house"),
        ("user", "ada"),
        ("assistant", None),
        ("user", None),
    ]
    refused = CHAT.read_request(REQUESTS["refused_before"]).turns
    assert refused[1].parts == (Refusal("I can't help with that."),)
    assert refused[3].parts == (Text("It began"), Refusal("but I stop here."), Text(" in Egypt."))


def test_tools_that_take_text_are_read() -> None:
    request = CHAT.read_request(REQUESTS["custom_tools"])
    grammar = {"syntax": "lark", "definition": "start: /.+/"}
    assert request.tools[:2] == (
        Tool("run_code", "Runs Python.", free=True, grammar=grammar),
        Tool("note", free=True),
    )
    assert request.turns[1].parts == (ToolCall("call_P", "run_code", "print(1 + 1)", free=True),)
    assert request.turns[2].parts == (ToolResult("call_P", (Text("2"),), free=True),)


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("choice_none", ToolChoice("none")),
        ("choice_required", ToolChoice("required")),
        ("choice_named", ToolChoice("named", ("get_time",))),
        ("custom_tools", ToolChoice("named", ("run_code",))),
        ("choice_allowed", ToolChoice("required", ("get_time", "run_code"))),
    ],
)
def test_every_choice_of_tools_is_read(name: str, choice: ToolChoice) -> None:
    assert CHAT.read_request(REQUESTS[name]).tool_choice == choice


def test_every_format_is_read() -> None:
    assert CHAT.read_request(REQUESTS["json_object"]).format == ResponseFormat("json")
    assert CHAT.read_request(REQUESTS["format_text"]).format == ResponseFormat("text")
    format = CHAT.read_request(REQUESTS["structured"]).format
    assert format is not None
    assert (format.kind, format.name, format.description) == ("schema", "person", "Who it is.")
    assert format.strict is True
    assert format.schema == REQUESTS["structured"]["response_format"]["json_schema"]["schema"]


def test_settings_are_read() -> None:
    settings = CHAT.read_request(REQUESTS["settings"]).settings
    assert settings.items() >= {"max_tokens": 300, "stop": ["END", "\n\n"], "effort": "low"}.items()
    assert settings.items() >= {"logprobs": True, "top_logprobs": 2, "store": False}.items()
    assert read(max_tokens=5).settings == {"max_tokens": 5}
    assert read(max_tokens=5, max_completion_tokens=5).settings == {"max_tokens": 5}
    assert read(stop="END").settings == {"stop": ["END"]}
    assert read(stop=None, logprobs=None, seed=None, tools=None).settings == {}


def test_thoughts_are_read_in_every_spelling() -> None:
    turns = CHAT.read_request(REQUESTS["odd_reasoning"]).turns
    assert turns[1].parts == (Reasoning("Compare the tenths."), Text("9.9"))
    assert turns[3].parts[0] == Reasoning("Once more.")
    assert CHAT.read_request(REQUESTS["odd_parts"]).turns[1].parts[0] == Reasoning("Hm.")


def test_results_without_ids_belong_to_the_calls_in_order() -> None:
    turns = CHAT.read_request(REQUESTS["odd_without_ids"]).turns
    assert turns[1].parts == (
        ToolCall("call_1_0", "get_weather", '{"city":"Paris"}'),
        ToolCall("call_1_1", "get_time", ""),
    )
    assert turns[2].parts == (ToolResult("call_1_0", (Text("18"),)),)
    assert turns[3].parts == (ToolResult("call_1_1", (Text("noon"),)),)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [HI, {"content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "nobody"}]}, "messages[0].role"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [HI, {"role": "user", "content": [{"type": "video_url"}]}]},
            "messages[1].content[0]",
        ),
        (
            {"messages": [{"role": "system", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
            "messages[0].audio",
        ),
        (
            {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]},
            "messages[0].function_call",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"type": "mcp"}]}]},
            "messages[0].tool_calls[0].type",
        ),
        ({"messages": [{"role": "user", "content": "x", "mood": "bad"}]}, "messages[0].mood"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[0].content[0].file",
        ),
        ({"n": 2}, "n"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stop": [1]}, "stop"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "x", "tools": []}}},
            "tool_choice.allowed_tools.mode",
        ),
        (
            {"tools": [{"type": "custom", "custom": {"name": "f", "format": {"type": "x"}}}]},
            "tools[0].custom.format.type",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "x": 1}}]},
            "tools[0].function.x",
        ),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"best_of": 2}, "best_of"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_its_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Unsupported) as refused:
        read(**body)
    assert refused.value.param == param


# --- there and back

_NAMES_ADDED = {"odd_without_ids"}
"""Calls without arguments get an empty object of them."""


@pytest.mark.parametrize("name", [name for name in REQUESTS if name not in _NAMES_ADDED])
def test_a_request_read_again_is_the_same(name: str) -> None:
    request = CHAT.read_request(REQUESTS[name])
    again = CHAT.read_request({"model": "x", **CHAT.write_request(request, max_tokens=1)})
    assert again == request


# --- write


def test_what_the_assistant_said_in_several_items_is_one_message_with_all_calls() -> None:
    turns = (
        Turn("assistant", (Reasoning("Hm."),)),
        Turn("assistant", (Text("Let me look."),)),
        Turn("assistant", (ToolCall("a", "f", "{}"),)),
        Turn("assistant", (ToolCall("b", "g", ""),)),
        Turn("tool", (ToolResult("a", (Text("1"),)), ToolResult("b", ()))),
        Turn("assistant", (Text("One."),)),
        Turn("assistant", (Text("Two."),)),
    )
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert messages(*turns) == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "reasoning_content": "Hm.",
            "tool_calls": calls,
        },
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {"role": "assistant", "content": "One."},
        {"role": "assistant", "content": "Two."},
    ]


def test_one_text_is_a_plain_string_and_several_are_parts() -> None:
    one, two = Turn("user", (Text("a"),)), Turn("developer", (Text("a"), Text("b")), "house")
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages(one, two, Turn("user", ())) == [
        {"role": "user", "content": "a"},
        {"role": "developer", "name": "house", "content": parts},
        {"role": "user", "content": ""},
    ]


def test_a_refusal_is_written_in_its_place() -> None:
    assert messages(Turn("assistant", (Refusal("No."),))) == [
        {"role": "assistant", "refusal": "No.", "content": None}
    ]


def test_thoughts_that_only_their_maker_reads_are_left_out() -> None:
    parts = (
        Reasoning("Secret.", sealed="sig", sealed_by="messages"),
        Reasoning(sealed="x", sealed_by="messages", redacted=True),
        Reasoning(summary=("One.", "Two.")),
        Text("9.9"),
    )
    [message] = messages(Turn("assistant", parts))
    assert message["reasoning_content"] == "One.\n\nTwo."


def test_images_that_tools_gave_follow_all_results_in_a_message_of_the_users() -> None:
    picture = "data:image/png;base64,iVBORw0KGgo="
    turns = (
        Turn("tool", (ToolResult("a", (Text("Here:"), Image(picture))),)),
        Turn("tool", (ToolResult("b", (Image(picture),)), ToolResult("c", (Text("3"),)))),
        Turn("user", (Text("What is on them?"),)),
    )
    image = {"type": "image_url", "image_url": {"url": picture}}
    written = [
        {"role": "tool", "tool_call_id": "a", "content": "Here:"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {"role": "tool", "tool_call_id": "c", "content": "3"},
        {"role": "user", "content": [image, image]},
    ]
    assert messages(*turns) == [*written, {"role": "user", "content": "What is on them?"}]
    assert messages(*turns[:2]) == written


def test_documents_are_written_as_files_or_as_text() -> None:
    pdf = "data:application/pdf;base64,JVBERi0="
    [message] = messages(
        Turn("user", (File(pdf), File(text="Dear Ada"), File(file_id="f", name="n")))
    )
    assert message["content"] == [
        {"type": "file", "file": {"filename": "document.pdf", "file_data": pdf}},
        {"type": "text", "text": "Dear Ada"},
        {"type": "file", "file": {"file_id": "f", "filename": "n"}},
    ]


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (Turn("tool", (ToolResult("a", (Image(file_id="x"),)),)), "an image"),
        (Turn("tool", (ToolResult("a", (File("https://x"),)),)), "at a URL"),
        (Turn("tool", (Text("a"),)), "a text"),
        (Turn("user", (Refusal("a"),)), "a refusal"),
        (Turn("developer", (Audio("a", "wav"),)), "audio"),
        (Turn("user", (Image(file_id="x"),)), "an image"),
        (Turn("user", (File("https://x"),)), "at a URL"),
        (Turn("user", (ToolCall("a", "f", ""),)), "the call of a tool"),
        (Turn("system", (Image("https://x"),)), "an image"),
        (Turn("assistant", (Image("https://x"),)), "an image"),
    ],
)
def test_parts_without_a_place_are_refused(turn: Turn, words: str) -> None:
    with pytest.raises(Unsupported, match=words) as refused:
        messages(turn, api="chat")
    assert refused.value.param == "messages[0]"
    with pytest.raises(Unsupported) as elsewhere:
        messages(turn, api="responses")
    assert elsewhere.value.param == "input"


def test_a_stream_for_a_client_of_another_api_always_ends_with_its_usage() -> None:
    assert written(stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in written(stream=True, api="chat")
    assert "stream_options" not in written()


def test_settings_of_other_apis_are_written_or_refused() -> None:
    assert written(settings={"max_tokens": 9, "stop": []}) == {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 9,
    }
    body = written(settings={"thinking": {"type": "disabled"}, "top_logprobs": 0})
    assert (body["reasoning_effort"], body["logprobs"]) == ("none", True)
    with pytest.raises(Unsupported, match="container"):
        written(api="messages", settings={"container": "c"})
    with pytest.raises(Unsupported, match="previous_response_id"):
        written(settings={"previous_response_id": "resp_1"})


def test_a_choice_that_asks_for_nothing_is_only_made_among_tools() -> None:
    assert "tool_choice" not in written(tool_choice=ToolChoice("auto"))
    assert written(tool_choice=ToolChoice("auto"), tools=(Tool("f"),))["tool_choice"] == "auto"
    assert written(tool_choice=ToolChoice("required"))["tool_choice"] == "required"


def test_whether_calls_may_be_parallel_is_only_said_with_tools() -> None:
    assert "parallel_tool_calls" not in written(parallel=True)
    assert written(parallel=False, tools=(Tool("f"),))["parallel_tool_calls"] is False


def test_ten_times_the_messages_are_about_ten_times_the_work() -> None:
    def convert(count: int) -> None:
        calls = [{"id": f"c{at}", "function": {"name": "f"}} for at in range(count)]
        results = [{"role": "tool", "tool_call_id": f"d{at}", "content": ""} for at in range(count)]
        CHAT.read_request({"messages": [{"role": "assistant", "tool_calls": calls}, *results]})
        messages(*(Turn("assistant", (ToolCall(f"c{at}", "f", "{}"),)) for at in range(count)))

    few, many = calls_in(lambda: convert(200)), calls_in(lambda: convert(2_000))
    assert many < 12 * few
