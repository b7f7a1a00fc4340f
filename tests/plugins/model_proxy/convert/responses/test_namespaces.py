"""Tools in namespaces: other APIs see one name, and clients get both parts of it back."""

from __future__ import annotations

import pytest

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.neutral.answer import Block, NeutralAnswer, events_of
from clawmatrix_model_proxy.neutral.codec import Codec, Unsupported
from clawmatrix_model_proxy.neutral.request import NeutralRequest, ToolCall
from tests.plugins.model_proxy.convert.responses.responses_sdk import (
    RESPONSE,
    accumulated,
    making,
    payloads,
    stream_of,
)

SEND = {"type": "function", "name": "send", "parameters": {"type": "object"}, "strict": False}
NOTE = {"type": "custom", "name": "note", "description": "Takes a note."}
SPACE = {"type": "namespace", "name": "mail", "description": "Letters.", "tools": [SEND, NOTE]}
ANSWER = NeutralAnswer(
    "resp_1",
    "m",
    1,
    (
        Block("tool", "{}", "call_1", "mail__send"),
        Block("free_tool", "x", "call_2", "mail__note"),
        Block("tool", "{}", "call_3", "send"),
    ),
    "tool_calls",
)
PARTS = [("mail", "send"), ("mail", "note"), (None, "send")]


def read(**fields: object) -> NeutralRequest:
    return responses.CODEC.read_request({"input": "Hello", "tools": [SPACE, SEND], **fields})


@pytest.mark.parametrize("codec", [chat.CODEC, messages.CODEC])
def test_an_upstream_gets_each_tool_under_one_name(codec: Codec) -> None:
    request = read(tools=[{**SPACE, "tools": [SEND]}, SEND])
    written = codec.write_request(request, max_tokens=9)["tools"]
    names = [tool.get("function", tool)["name"] for tool in written]
    assert names == ["mail__send", "send"]


def test_calls_in_an_answer_have_both_parts() -> None:
    written = responses.CODEC.write_answer(ANSWER, making(read()))
    RESPONSE.validate_python(written, strict=True)
    assert [(item.get("namespace"), item["name"]) for item in written["output"]] == PARTS


def test_calls_in_a_stream_have_both_parts_from_the_beginning() -> None:
    stream = stream_of(events_of(ANSWER), read())
    for kind in ("response.output_item.added", "response.output_item.done"):
        items = [event["item"] for event in payloads(stream) if event["type"] == kind]
        assert [(item.get("namespace"), item["name"]) for item in items] == PARTS
    found = [(getattr(item, "namespace", 0), item.name) for item in accumulated(stream).output]  # type: ignore[union-attr]
    assert found == PARTS


def test_calls_of_earlier_turns_are_read_under_one_name() -> None:
    call = {"type": "function_call", "call_id": "c", "namespace": "mail", "name": "send"}
    request = read(
        input=[
            {**call, "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "sent"},
        ]
    )
    assert request.turns[0].parts == (ToolCall("c", "mail__send", "{}"),)


@pytest.mark.parametrize("tools", [[SPACE, SPACE], [SPACE, {**SEND, "name": "mail__send"}]])
def test_two_tools_that_would_have_one_name_are_refused(tools: list[object]) -> None:
    with pytest.raises(Unsupported, match="two of them would have the name mail__") as refused:
        read(tools=tools)
    assert refused.value.param == "tools"
