"""Requests written for upstreams of the Responses API, by the types of the official SDK."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

from clawmatrix_model_proxy.convert.responses.codec import CODEC, read_count, write_count_request
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Unsupported
from clawmatrix_model_proxy.neutral.request import (
    File,
    Image,
    NeutralRequest,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from tests.plugins.model_proxy.convert.sdk_types import SdkType

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
CREATE = SdkType(ResponseCreateParamsNonStreaming)
COUNT = SdkType(InputTokenCountParams)
HELLO = Turn("user", (Text("Hello"),))


def write(*said: Turn, api: str = "chat", **fields: Any) -> dict[str, Any]:
    body = CODEC.write_request(NeutralRequest(api, said or (HELLO,), **fields), max_tokens=4096)
    CREATE.validate_python(body)
    return body


def test_a_systems_turn_stays_one() -> None:
    body = write(Turn("system", (Text("Be brief."),)), HELLO)
    assert "instructions" not in body
    assert body["input"][0] == {"role": "system", "content": "Be brief."}


def test_what_a_developer_does_not_say_is_no_instruction() -> None:
    body = write(Turn("developer", (Text(""),)), HELLO)
    assert "instructions" not in body
    assert CODEC.read_request({"instructions": "", "input": "Hello"}).turns == (HELLO,)


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


def test_stop_words_have_no_place() -> None:
    with pytest.raises(Unsupported) as caught:
        write(settings={"stop": ["END"]})
    assert caught.value.param == "stop"
    assert "stop" not in write(settings={"stop": []})


def test_a_question_for_the_number_of_tokens_has_what_counts() -> None:
    request = NeutralRequest(
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
    for body in ({}, {"input_tokens": "many"}, {"input_tokens": None}):
        with pytest.raises(BadAnswer):
            read_count(body)
