"""Requests of the Responses API: read into turns, and written for its upstreams."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from clawmatrix_model_proxy.convert.codec import BadAnswer, Unsupported
from clawmatrix_model_proxy.convert.request import (
    Audio,
    File,
    Format,
    Image,
    Reasoning,
    Refusal,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from clawmatrix_model_proxy.convert.responses import CODEC, read_count, write_count_request

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
CREATE: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsNonStreaming)
COUNT: TypeAdapter[Any] = TypeAdapter(InputTokenCountParams)
HELLO = Turn("user", (Text("Hello"),))


def read(**fields: Any) -> Request:
    return CODEC.read_request({"model": "m", "input": "Hello", **fields})


def turns(*items: dict[str, Any]) -> tuple[Turn, ...]:
    return read(input=list(items)).turns


def write(*said: Turn, api: str = "chat", **fields: Any) -> dict[str, Any]:
    body = CODEC.write_request(Request(api, said or (HELLO,), **fields), max_tokens=4096)
    CREATE.validate_python(body)
    return body


def test_a_string_is_what_the_user_says() -> None:
    assert read() == Request("responses", (HELLO,))


def test_instructions_are_the_developers_first_turn() -> None:
    request = read(instructions="Be brief.")
    assert request.turns == (Turn("developer", (Text("Be brief."),)), HELLO)
    assert CODEC.write_request(request, max_tokens=1)["instructions"] == "Be brief."


def test_a_systems_turn_stays_one() -> None:
    body = write(Turn("system", (Text("Be brief."),)), HELLO)
    assert "instructions" not in body
    assert body["input"][0] == {"role": "system", "content": "Be brief."}


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


def test_what_was_read_is_written_back() -> None:
    body = {
        "instructions": "Be brief.",
        "input": [
            {"role": "system", "content": "A"},
            {"role": "user", "content": [{"type": "input_text", "text": "B"}, _image()]},
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "S"}],
                "id": "rs_1",
                "content": [{"type": "reasoning_text", "text": "T"}],
                "encrypted_content": "gAAA",
            },
            {"role": "assistant", "content": "C"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""},
            {"type": "function_call_output", "call_id": "c1", "output": ""},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": None, "strict": None},
            {
                "type": "custom",
                "name": "g",
                "description": "G",
                "format": {"type": "grammar", "syntax": "regex", "definition": "a+"},
            },
        ],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}],
        },
        "parallel_tool_calls": False,
        "text": {
            "format": {
                "type": "json_schema",
                "name": "n",
                "schema": {"type": "object"},
                "description": "d",
                "strict": True,
            },
            "verbosity": "low",
        },
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "top_logprobs": 3,
        "temperature": 0.2,
        "top_p": 0.9,
        "max_output_tokens": 100,
        "store": True,
        "service_tier": "flex",
        "metadata": {"a": "b"},
        "user": "u",
        "truncation": "auto",
    }
    CREATE.validate_python(body)
    request = CODEC.read_request({"model": "m", **body})
    assert CODEC.write_request(request, max_tokens=1) == body
    assert CODEC.read_request({**CODEC.write_request(request, max_tokens=1)}) == request


def _image() -> dict[str, Any]:
    return {"type": "input_image", "image_url": PNG, "detail": "high"}


def test_another_apis_request_stores_nothing_and_says_how_strict_tools_are() -> None:
    body = write(tools=(Tool("now"), Tool("then", strict=True)))
    assert body == {
        "input": [{"role": "user", "content": "Hello"}],
        "tools": [
            {"type": "function", "name": "now", "parameters": None, "strict": False},
            {"type": "function", "name": "then", "parameters": None, "strict": True},
        ],
        "store": False,
    }
    assert write(settings={"store": True})["store"] is True


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        ({"effort": "low"}, {"reasoning": {"effort": "low"}}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 9000}},
            {"reasoning": {"effort": "medium"}},
        ),
        ({"thinking": {"type": "adaptive"}}, {}),
    ],
)
def test_who_wants_thoughts_gets_them_sealed(
    settings: dict[str, Any], written: dict[str, Any]
) -> None:
    body = write(settings=settings)
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body.get("reasoning") == written.get("reasoning")


@pytest.mark.parametrize("settings", [{}, {"effort": "none"}, {"thinking": {"type": "disabled"}}])
def test_models_that_do_not_think_are_not_asked_for_sealed_thoughts(
    settings: dict[str, Any],
) -> None:
    assert "include" not in write(settings=settings)


def test_a_sealed_thought_goes_back_under_its_own_name() -> None:
    said = Turn(
        "assistant",
        (
            Reasoning("First"),
            Reasoning("Second", sealed="rs_9:gAAA", sealed_by="responses"),
            Text("So"),
            Reasoning("Mine", sealed="c2ln", sealed_by="messages"),
            Reasoning("Unsealed"),
        ),
    )
    body = write(HELLO, said, api="messages")
    assert body["input"][1:] == [
        {
            "type": "reasoning",
            "summary": [
                {"type": "summary_text", "text": "First"},
                {"type": "summary_text", "text": "Second"},
            ],
            "id": "rs_9",
            "encrypted_content": "gAAA",
        },
        {"role": "assistant", "content": "So"},
    ]
    assert body["include"] == ["reasoning.encrypted_content"]


def test_thoughts_of_another_maker_come_back_as_they_were() -> None:
    items: list[dict[str, Any]] = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": kept}
        for kept in ("clawmatrix.messages.c2ln", "clawmatrix.messages.redacted.ZGF0YQ==")
    ]
    assert turns(*items)[0].parts == (
        Reasoning(sealed="c2ln", sealed_by="messages", id="rs_1"),
        Reasoning(sealed="ZGF0YQ==", sealed_by="messages", redacted=True, id="rs_1"),
    )


def test_every_kind_of_part_is_written() -> None:
    heard = Turn(
        "user",
        (Image("http://h/a.png"), File(text="notes", name="a.txt"), File(PDF), File("http://h/b")),
    )
    said = Turn(
        "assistant", (Text("A"), Text("B"), Refusal("No"), ToolCall("c", "g", "x", free=True))
    )
    result = Turn("tool", (ToolResult("c", (Text("a"), Image(PNG)), failed=True, free=True),))
    assert write(heard, said, result)["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_image", "detail": "auto", "image_url": "http://h/a.png"},
                {
                    "type": "input_file",
                    "file_data": "data:text/plain;base64,bm90ZXM=",
                    "filename": "a.txt",
                },
                {"type": "input_file", "file_data": PDF, "filename": "file.pdf"},
                {"type": "input_file", "file_url": "http://h/b"},
            ],
        },
        {"role": "assistant", "content": "A"},
        {"role": "assistant", "content": "B"},
        {
            "type": "message",
            "id": "msg_refusal",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "refusal", "refusal": "No"}],
        },
        {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "x"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c",
            "output": [
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "detail": "auto", "image_url": PNG},
            ],
        },
    ]


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
        ({"type": "text"}, Format("text")),
        ({"type": "json_object"}, Format("json")),
        (
            {"type": "json_schema", "name": "n", "schema": {}},
            Format("schema", {}, "n"),
        ),
    ],
)
def test_every_shape_of_answers_is_kept(given: dict[str, Any], form: Format) -> None:
    request = read(text={"format": given})
    assert request.format == form
    assert CODEC.write_request(request, max_tokens=1)["text"] == {"format": given}


FUNCTION = {"type": "function", "name": "f"}


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
        ({"input": [{"type": "function_call", "namespace": "n"}]}, "input[0].namespace"),
        ({"input": [{"type": "function_call", "caller": {"type": "program"}}]}, "input[0].caller"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": "reasoning", "summary": [{"type": "x"}]}]}, "input[0].summary[0]"),
        ({"tools": [FUNCTION, {"type": "web_search"}]}, "tools[1]"),
        ({"tools": [{**FUNCTION, "defer_loading": True}]}, "tools[0].defer_loading"),
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
    assert attrs.evolve(read(**fields), tools=()) == Request("responses", (HELLO,))


def test_logprobs_that_are_not_included_are_not_asked_for() -> None:
    assert read(top_logprobs=5).settings == {}
    assert read(top_logprobs=5, include=["message.output_text.logprobs"]).settings == {
        "logprobs": True,
        "top_logprobs": 5,
    }


def test_stop_words_have_no_place() -> None:
    with pytest.raises(Unsupported) as caught:
        write(settings={"stop": ["END"]})
    assert caught.value.param == "stop"
    assert "stop" not in write(settings={"stop": []})


def test_a_question_for_the_number_of_tokens_has_what_counts() -> None:
    request = Request(
        "messages",
        (HELLO,),
        tools=(Tool("now"),),
        stream=True,
        settings={"max_tokens": 9, "effort": "low", "temperature": 1},
    )
    body = write_count_request(request)
    COUNT.validate_python(body)
    assert sorted(body) == ["input", "reasoning", "tools"]


def test_a_number_of_tokens_is_read() -> None:
    assert read_count({"object": "response.input_tokens", "input_tokens": 11}) == 11
    for body in ({}, {"input_tokens": "11"}, {"input_tokens": None}):
        with pytest.raises(BadAnswer):
            read_count(body)
