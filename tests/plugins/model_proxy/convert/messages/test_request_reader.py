"""Requests of the Messages API, in the neutral form."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.convert.messages.codec import CODEC
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import (
    File,
    Image,
    NeutralRequest,
    Reasoning,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from clawmatrix_model_proxy.neutral.settings import write_settings
from tests.plugins.model_proxy.convert.messages.messages_sdk import load

WEATHER = Tool(
    "get_weather",
    "The weather in a city, now.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
)
LIMIT = {"max_tokens": 1024}


def read(name: str) -> NeutralRequest:
    """Read a request of the corpus."""
    return CODEC.read_request(load("requests", name))


def test_turns_and_settings() -> None:
    assert read("turns") == NeutralRequest(
        "messages",
        (
            Turn("system", (Text("Answer in one word."),)),
            Turn("user", (Text("Capital of Sweden?"),)),
            Turn("assistant", (Text("Stockholm"),)),
            Turn("user", (Text("And of "), Text("Norway?"))),
        ),
        stream=True,
        settings={
            **LIMIT,
            "temperature": 0.2,
            "top_p": 0.9,
            "top_k": 40,
            "stop": ["\n\n", "END"],
            "user": "8f14e45f",
            "service_tier": "default",
        },
    )


def test_system_turns_stand_where_they_stood() -> None:
    assert read("system_blocks") == NeutralRequest(
        "messages",
        (
            Turn("system", (Text("You are a clerk."), Text("The rules: be brief."))),
            Turn("user", (Text("Hello"),)),
            Turn("system", (Text("From now on answer in Swedish."),)),
            Turn("user", (Text("Good morning"),)),
        ),
        settings={**LIMIT, "cache_control": {"type": "ephemeral"}},
    )


def test_a_beginning_of_the_answer_is_a_turn_of_the_assistant() -> None:
    assert read("prefill").turns[-1] == Turn("assistant", (Text('{"haiku":'),))


def test_images() -> None:
    [turn] = read("images").turns
    words, held, linked, kept = turn.parts
    assert words == Text("What is in these?")
    assert isinstance(held, Image)
    assert held.url.startswith("data:image/png;base64,iVBORw0KGgo")
    assert linked == Image("https://example.com/cat.jpg")
    assert kept == Image(file_id="file_011CNha8iCJcU1wXNR6q4V8w")


def test_documents() -> None:
    [turn] = read("documents").turns
    assert turn.parts == (
        File("data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK", name="report.pdf"),
        File("https://example.com/paper.pdf"),
        File(text="The grass is green.", name="Notes"),
        File(text="First chunk.\n\nSecond chunk."),
        File(file_id="file_013QX"),
        Text("Compare them."),
    )


def test_a_document_of_one_string() -> None:
    paper = {"type": "document", "source": {"type": "content", "content": "Words"}}
    [turn] = CODEC.read_request({"messages": [{"role": "user", "content": [paper]}]}).turns
    assert turn.parts == (File(text="Words"),)


def test_tools_and_the_choice_of_them() -> None:
    request = read("tools")
    now = Tool("now", None, {"type": "object", "properties": {}}, strict=True)
    assert request.tools == (WEATHER, now)
    assert (request.tool_choice, request.parallel) == (ToolChoice("required"), False)
    assert read("tool_named").tool_choice == ToolChoice("named", ("get_weather",))
    assert read("tool_none").tool_choice == ToolChoice("none")
    assert read("tool_none").parallel is None


def test_calls_and_their_results() -> None:
    first, calls, results, more, again, last = read("tool_loop").turns
    assert first == Turn("user", (Text("Weather in Oslo and Rome?"),))
    assert calls == Turn(
        "assistant",
        (
            Text("I'll look."),
            ToolCall("toolu_01A", "get_weather", '{"city":"Oslo","unit":"celsius"}'),
            ToolCall("toolu_01B", "get_weather", '{"city":"Rome"}'),
        ),
    )
    rain, failed = results.parts
    assert results.role == "tool"
    assert rain == ToolResult("toolu_01A", (Text("4 °C, rain"),))
    assert isinstance(failed, ToolResult)
    assert (failed.failed, failed.parts[0], len(failed.parts)) == (True, Text("no such city"), 2)
    assert more == Turn("user", (Text("Go on, please."),))
    assert again == Turn("assistant", (ToolCall("toolu_01C", "get_weather", "{}"),))
    assert last == Turn("tool", (ToolResult("toolu_01C", (), failed=False),))


def test_thoughts_are_kept_with_their_seals() -> None:
    request = read("thinking")
    signature = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds"
    hidden = "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP"
    thought = "27 * 453 = 27 * 450 + 27 * 3 = 12231."
    assert request.turns[1].parts == (
        Reasoning(thought, sealed=signature, sealed_by="messages"),
        Reasoning(sealed=hidden, sealed_by="messages", redacted=True),
        Text("12231"),
    )
    assert request.settings == {
        "max_tokens": 32000,
        "thinking": {"type": "enabled", "budget_tokens": 10000},
        "effort": "medium",
    }


def test_thoughts_that_another_api_sealed_are_its_own_again() -> None:
    assert read("thinking_marked").turns[1].parts == (
        Reasoning(summary=("They greet me.",), sealed="gAAAAABo", sealed_by="responses"),
        Reasoning("So do I."),
        Text("Hello!"),
    )


def test_effort() -> None:
    assert read("effort").settings["effort"] == "xhigh"
    assert read("thinking_off").settings["effort"] == "none"
    body = {**load("requests", "thinking_off"), "output_config": {"effort": "high"}}
    assert CODEC.read_request(body).settings["effort"] == "none"


def test_a_format() -> None:
    format = read("structured").format
    assert format is not None
    assert format.schema is not None
    assert (format.kind, format.schema["required"]) == ("schema", ["name", "age"])
    assert format == ResponseFormat("schema", format.schema)


def test_what_an_agent_asks_for_beside_the_answer_keeps_it_from_no_other_api() -> None:
    request = read("beta_agent")
    assert {"claude_context_management", "diagnostics"} <= set(request.settings)
    body: dict[str, Any] = {}
    write_settings("chat", request, body)
    assert body == {"user": '{"device_id":"d1","session_id":"s1"}'}


def test_what_is_read_is_not_changed() -> None:
    for name in ("turns", "effort", "structured", "tools"):
        body = load("requests", name)
        CODEC.read_request(body)
        assert body == load("requests", name)


def test_nulls_are_nothing() -> None:
    body: dict[str, Any] = dict.fromkeys(
        ["system", "tools", "tool_choice", "stream", "thinking", "output_config", "metadata"]
    )
    body |= dict.fromkeys(["stop_sequences", "max_tokens", "service_tier", "unheard_of"])
    said = {"type": "text", "text": "Hi", "citations": None, "cache_control": None}
    body["messages"] = [{"role": "user", "content": [said, {"type": "text", "text": ""}]}]
    assert CODEC.read_request(body) == NeutralRequest("messages", (Turn("user", (Text("Hi"),)),))


PICTURE: dict[str, Any] = {"type": "image", "source": {"type": "url", "url": "https://a"}}
PAPER: dict[str, Any] = {"type": "document", "source": {"type": "url", "url": "https://a"}}
CALL: dict[str, Any] = {"type": "tool_use", "id": "a", "name": "b", "input": {}}
RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "a"}


@pytest.mark.parametrize(
    ("role", "block", "param"),
    [
        ("user", {"type": "search_result"}, "messages[0].content[0]"),
        ("user", {"type": "container_upload"}, "messages[0].content[0]"),
        ("user", CALL, "messages[0].content[0]"),
        ("assistant", {"type": "server_tool_use"}, "messages[0].content[0]"),
        ("assistant", {"type": "web_search_tool_result"}, "messages[0].content[0]"),
        ("assistant", PICTURE, "messages[0].content[0]"),
        ("assistant", RESULT, "messages[0].content[0]"),
        ("system", PICTURE, "messages[0].content[0]"),
        ("user", {"type": "text", "text": 1}, "messages[0].content[0].text"),
        ("user", {"type": ["text"]}, "messages[0].content[0]"),
        ("user", "Hi", "messages[0].content[0]"),
        (
            "user",
            {**PICTURE, "transformations": {"oversized_image": "error"}},
            "messages[0].content[0].transformations",
        ),
        ("user", {**PAPER, "context": "old"}, "messages[0].content[0].context"),
        ("user", {"type": "image", "source": {"type": "x"}}, "messages[0].content[0].source.type"),
        (
            "user",
            {"type": "document", "source": {"type": "content", "content": [PICTURE]}},
            "messages[0].content[0].source.content[0]",
        ),
        (
            "user",
            {"type": "document", "source": {"type": "x"}},
            "messages[0].content[0].source.type",
        ),
        ("assistant", {**CALL, "input": "{}"}, "messages[0].content[0].input"),
        ("assistant", {**CALL, "caller": {"type": "x"}}, "messages[0].content[0].caller"),
        (
            "user",
            {**RESULT, "content": [{"type": "tool_reference"}]},
            "messages[0].content[0].content[0]",
        ),
        ("user", {**RESULT, "is_error": "yes"}, "messages[0].content[0].is_error"),
    ],
)
def test_content_that_no_other_api_has_is_refused_by_its_place(
    role: str, block: Any, param: str
) -> None:
    with pytest.raises(Unsupported) as refused:
        CODEC.read_request({"messages": [{"role": role, "content": [block]}]})
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
        ({"tools": [{"name": "a", "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [{"name": "a", "input_schema": []}]}, "tools[0].input_schema"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"output_config": {"format": {"type": "grammar"}}}, "output_config.format.type"),
        ({"output_config": {"colour": "red"}}, "output_config.colour"),
        ({"metadata": {"team": "a"}}, "metadata"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stream": 1}, "stream"),
        ({"stop_sequences": "a"}, "stop_sequences"),
        ({"stop_sequences": ["a", None]}, "stop_sequences[1]"),
        ({"system": [{"type": "image"}]}, "system[0]"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "", "name": "a"}]}, "messages[0].name"),
        ({"messages": "Hi"}, "messages"),
        ({"user_profile_id": "a"}, "user_profile_id"),
    ],
)
def test_what_is_not_known_or_not_valid_is_refused_by_name(
    body: dict[str, Any], param: str
) -> None:
    with pytest.raises(Unsupported) as refused:
        CODEC.read_request(body)
    assert refused.value.param == param
