"""Answers of the Responses API: written as the SDK wants them, and read back."""

from __future__ import annotations

import attrs
import msgspec
import pytest

from clawmatrix_model_proxy.convert.responses.codec import CODEC
from clawmatrix_model_proxy.convert.responses.slots import ITEMS
from clawmatrix_model_proxy.neutral.answer import (
    Block,
    FinishReason,
    NeutralAnswer,
    Usage,
    events_of,
)
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from clawmatrix_model_proxy.neutral.request import NeutralRequest, Text, Tool, Turn
from tests.plugins.model_proxy.convert.responses.responses_sdk import (
    RESPONSE,
    accumulated,
    gathered,
    making,
    payloads,
    read_stream,
    stream_of,
)

LOGPROBS = [{"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "e"}]}]
BLOCKS: dict[str, tuple[Block, ...]] = {
    "nothing": (),
    "text": (Block("text", "Hello"),),
    "texts": (Block("text", "One. "), Block("text", "Two.")),
    "logprobs": (Block("text", "é", logprobs=LOGPROBS),),
    "refusal": (Block("text", "Well"), Block("refusal", "I can't.")),
    "thought": (
        Block("summary", "First", id="rs_1", group=0),
        Block("summary", "Second", id="rs_1", group=0),
        Block("reasoning", "Hm", "rs_1", "", 0, None, "rs_1:gAAA", "responses"),
        Block("text", "So"),
    ),
    "thoughts": (
        Block("reasoning", "A", group=0, sealed="c2ln", sealed_by="messages"),
        Block("redacted", group=1, sealed="ZGF0YQ==", sealed_by="messages"),
        Block("redacted", id="rs_2", group=2, sealed="rs_2:gBBB", sealed_by="responses"),
    ),
    "calls": (
        Block("text", "Let me see."),
        Block("tool", '{"city":"Oslo"}', "call_1", "weather"),
        Block("tool", "", "call_2", "now"),
        Block("free_tool", "*** patch", "call_3", "patch"),
    ),
    "text after a call": (Block("tool", "{}", "call_1", "now"), Block("text", "Done")),
}
USAGE = Usage(20, 10, 5, 3, 4, {("input", "image_tokens"): 2})


def answer(name: str, reason: FinishReason = "stop") -> NeutralAnswer:
    if any(block.kind in ("tool", "free_tool") for block in BLOCKS[name]):
        reason = "tool_calls"
    elif any(block.kind == "refusal" for block in BLOCKS[name]):
        reason = "refusal"
    return NeutralAnswer("resp_7", "gpt-5", 1_700_000_001, BLOCKS[name], reason, USAGE)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_sdk_knows_every_field_of_a_whole_answer(name: str) -> None:
    RESPONSE.validate_python(CODEC.write_answer(answer(name), making()), strict=True)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_stream_ends_with_the_whole_answer_in_the_sdks_own_words(name: str) -> None:
    written = stream_of(events_of(answer(name)))
    whole = CODEC.write_answer(answer(name), making())
    assert payloads(written)[-1] == {
        "type": "response.completed",
        "sequence_number": len(payloads(written)) - 1,
        "response": whole,
    }
    assert accumulated(written).model_dump() == RESPONSE.validate_python(whole).model_dump()


@pytest.mark.parametrize("name", BLOCKS)
def test_what_was_written_is_read_back(name: str) -> None:
    read = CODEC.read_answer(CODEC.write_answer(answer(name), making()))
    assert (read.id, read.model, read.created) == ("resp_7", "gpt-5", 1_700_000_001)
    assert (read.reason, read.usage) == (answer(name).reason, USAGE)
    assert [(block.kind, block.text, block.sealed, block.sealed_by) for block in read.blocks] == [
        (block.kind, block.text, block.sealed, block.sealed_by) for block in BLOCKS[name]
    ]
    calls = [(block.id, block.name) for block in read.blocks if block.name]
    assert calls == [(block.id, block.name) for block in BLOCKS[name] if block.name]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_stream_amounts_to_the_whole_answer(name: str) -> None:
    stream = payloads(stream_of(events_of(answer(name))))
    read = CODEC.read_answer(CODEC.write_answer(answer(name), making()))
    assert gathered(read_stream(stream)) == read


@pytest.mark.parametrize("name", BLOCKS)
def test_an_answer_read_and_written_again_is_the_same(name: str) -> None:
    once = CODEC.read_answer(CODEC.write_answer(answer(name), making()))
    assert CODEC.read_answer(CODEC.write_answer(once, making())) == once


@pytest.mark.parametrize(
    ("reason", "status", "why", "again"),
    [
        ("stop", "completed", None, "stop"),
        ("stop_sequence", "completed", None, "stop"),
        ("length", "incomplete", {"reason": "max_output_tokens"}, "length"),
        ("content_filter", "incomplete", {"reason": "content_filter"}, "content_filter"),
        ("pause", "incomplete", None, "length"),
        ("refusal", "incomplete", {"reason": "content_filter"}, "content_filter"),
    ],
)
def test_why_an_answer_ended_is_its_status(
    reason: FinishReason, status: str, why: dict[str, str] | None, again: FinishReason
) -> None:
    ended = answer("text", reason)
    whole = CODEC.write_answer(ended, making())
    RESPONSE.validate_python(whole, strict=True)
    assert (whole["status"], whole["incomplete_details"]) == (status, why)
    assert whole["output"][-1]["status"] == status
    stream = stream_of(events_of(ended))
    assert payloads(stream)[-1]["type"] == f"response.{status}"
    assert accumulated(stream).status == status
    assert gathered(read_stream(payloads(stream))).reason == again


def test_a_refusal_in_words_is_a_whole_answer() -> None:
    refused = answer("refusal", "refusal")
    assert CODEC.write_answer(refused, making())["status"] == "completed"


def test_a_call_that_was_cut_off_is_not_said_to_be_whole() -> None:
    blocks = (Block("tool", '{"ci', "call_1", "weather"),)
    cut = NeutralAnswer("", "", 0, blocks, "length")
    assert CODEC.write_answer(cut, making())["output"][0]["status"] == "incomplete"


def test_a_response_repeats_what_was_asked() -> None:
    request = NeutralRequest(
        "responses",
        (Turn("developer", (Text("Be brief."),)), Turn("user", (Text("Hello"),))),
        tools=(Tool("now", strict=True), Tool("patch", free=True)),
        parallel=False,
        settings={"temperature": 0.5, "metadata": {"a": "b"}, "max_tokens": 99, "effort": "low"},
    )
    whole = CODEC.write_answer(answer("text"), making(request))
    RESPONSE.validate_python(whole, strict=True)
    assert whole["instructions"] == "Be brief."
    assert [tool["name"] for tool in whole["tools"]] == ["now", "patch"]
    assert whole["parallel_tool_calls"] is False
    assert (whole["temperature"], whole["max_output_tokens"]) == (0.5, 99)
    assert (whole["metadata"], whole["reasoning"]["effort"]) == ({"a": "b"}, "low")


def test_an_answer_without_names_gets_some() -> None:
    blocks = (Block("tool", "{}", "", "now"),)
    whole = CODEC.write_answer(NeutralAnswer("chatcmpl-1", "", 0, blocks, "tool_calls"), making())
    RESPONSE.validate_python(whole, strict=True)
    assert whole["id"].startswith("resp_")
    assert (whole["model"], whole["created_at"], whole["usage"]) == ("model", 1_700_000_000, None)
    assert whole["output"][0]["call_id"].startswith("call_")


def test_interleaved_blocks_keep_their_items() -> None:
    events = events_of(answer("calls"))
    events.sort(key=lambda event: type(event).__name__ in ("Close", "Finish", "Completed"))
    stream = stream_of(events)
    whole = RESPONSE.validate_python(payloads(stream)[-1]["response"])
    assert accumulated(stream).model_dump() == whole.model_dump()
    read = gathered(read_stream(payloads(stream)))
    assert [block.text for block in read.blocks] == [block.text for block in BLOCKS["calls"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "completed"},
        {"status": "completed", "output": {}},
        {"status": "in_progress", "output": []},
        {"status": "failed", "error": {"code": "server_error", "message": "no"}, "output": []},
        {"status": "cancelled", "output": []},
        {"error": {"message": "no"}},
        {"output": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]},
        {"output": [{"type": "message", "content": [{"type": "output_video"}]}]},
        {"output": [{"type": "function_call", "call_id": "call_1", "arguments": "{}"}]},
        {"output": [{"type": "message", "content": "Hello"}]},
        {"output": [7]},
    ],
)
def test_what_is_no_answer_is_not_read_as_one(body: dict[str, object]) -> None:
    with pytest.raises(BadAnswer):
        CODEC.read_answer(body)


def test_usage_is_read_with_its_details() -> None:
    body = {
        "output": [],
        "usage": {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 2},
            "total_tokens": 12,
        },
    }
    expected = Usage(9, 3, 4, None, 1, {("output", "audio_tokens"): 2})
    assert CODEC.read_answer(body).usage == expected
    assert CODEC.read_answer({"output": []}).usage is None


def test_values_of_an_answer_are_not_shared_with_its_request() -> None:
    schema = {"type": "object"}
    request = attrs.evolve(making().request, tools=(Tool("now", parameters=schema),))
    whole = CODEC.write_answer(answer("text"), making(request))
    whole["tools"][0]["parameters"]["type"] = "changed"
    assert schema == {"type": "object"}
    assert msgspec.json.encode(whole)


@pytest.mark.bound("clawmatrix_model_proxy.convert.responses.slots.ITEMS")
@pytest.mark.parametrize(("items", "right"), [(ITEMS, True), (ITEMS + 1, False)])
def test_an_answer_of_more_items_than_can_be_told_apart_in_time_is_none(
    items: int, right: bool
) -> None:
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    output = [{**call, "id": f"fc_{n}", "call_id": f"call_{n}"} for n in range(items)]
    body = {"id": "r", "status": "completed", "output": output}
    if right:
        assert len(CODEC.read_answer(body).blocks) == items
        return
    with pytest.raises(BadAnswer, match="more than 256 items"):
        CODEC.read_answer(body)
